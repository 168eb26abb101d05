//! Attention over several heads, and the block of a Transformer that it is the heart of.

mod encoder;
mod multi_head;

pub use encoder::TransformerEncoderLayer;
pub use multi_head::MultiHeadAttention;
