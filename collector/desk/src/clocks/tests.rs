//! Clocks against counts by hand.
