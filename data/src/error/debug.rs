//! How errors look where nobody formats them: as their sentence, which a `main` that returns one prints.

use std::fmt::{Debug, Display, Formatter, Result};

use super::{DataError, FoldsError, FormatError};

macro_rules! as_displayed {
    ($($error:ty)*) => {$(
        impl Debug for $error {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                Display::fmt(self, f)
            }
        }
    )*};
}
as_displayed!(DataError FoldsError FormatError);
