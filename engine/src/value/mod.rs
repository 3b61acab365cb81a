//! What a stored value means: the number that its lexeme is, the values inside its JSON. The index
//! and the queries have this from one place, so that they can't disagree.

pub(crate) mod json;
mod leaves;
mod number;

pub(crate) use leaves::any_leaf;
pub(crate) use number::Number;
