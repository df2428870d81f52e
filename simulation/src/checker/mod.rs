//! Checks a history of what clients saw.
