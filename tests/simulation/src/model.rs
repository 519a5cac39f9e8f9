//! Skeleton.
#[derive(Clone, Copy)]
pub struct Bounds;
impl Bounds { pub const LARGE: &'static [Self] = &[Self]; }
pub struct Walked { pub broken: Option<String> }
impl std::fmt::Display for Walked { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "") } }
pub fn walk(_: Bounds) -> Walked { Walked { broken: None } }
