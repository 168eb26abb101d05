//! Attention over several heads, and the block of a Transformer that it is the heart of.

mod multi_head;

pub use multi_head::MultiHeadAttention;
