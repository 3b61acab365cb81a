//! The API as OpenAPI 3.1: what each operation says of itself, and the document and the page that are
//! made of the table of routes.
//!
//! I1: there is no route without an [`Operation`], and no parameter without a row: the first does not
//! compile, the second fails a test. I2: the page says what the document says, for it is made of it.

pub(crate) mod bodies;
mod document;
mod operation;
mod page;
mod parameters;

pub(crate) use document::document;
pub(crate) use operation::{Content, Operation, Tag, content};
pub(crate) use page::{STYLE, page};
pub(crate) use parameters::{DURATION, Parameter, Takes, limit};

#[cfg(test)]
mod tests;
