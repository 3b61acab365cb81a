//! What a stored value means: the number that its lexeme is, the values inside its JSON. The index
//! and the queries have this from one place, so that they can't disagree.

pub(crate) mod json;
mod leaves;
mod network;
mod number;
mod quantity;

pub(crate) use leaves::any_leaf;
pub use network::Network;
pub(crate) use number::Number;
pub(crate) use quantity::{Quantity, Unit};
