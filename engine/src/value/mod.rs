//! What a stored value means: the number that its lexeme is, the values inside its JSON. The index
//! and the queries have this from one place, so that they can't disagree. And what many values come to:
//! sets, sums, sketches.

pub(crate) mod json;
mod leaves;
mod network;
mod number;
mod quantity;
mod set;
mod sketch;
mod sum;
mod summary;

pub(crate) use leaves::any_leaf;
pub use network::Network;
pub(crate) use number::Number;
pub(crate) use quantity::{Quantity, Unit};
pub(crate) use set::ValueSet;
pub(crate) use sketch::{QUANTILE_ERROR, Sketch};
pub(crate) use sum::ExactSum;
pub(crate) use summary::{Summary, SummaryBuilder};
