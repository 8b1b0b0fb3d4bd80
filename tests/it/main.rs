//! One test binary: what is tested through the public face or against other programs.

mod house;
