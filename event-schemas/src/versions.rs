//! Names and versions of events, written out by a macro so that an event without a version does not build.

/// Writes `impl DomainEvent` from the current version of each event.
macro_rules! versions {
    ($events:ident { $($event:ident: $version:literal),+ $(,)? }) => {
        impl $events {
            /// Every event with its current version.
            pub const VERSIONS: &'static [(&'static str, u32)] = &[$((stringify!($event), $version)),+];

            /// The name it is stored and published under.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$event { .. } => stringify!($event)),+ }
            }

            /// The version of its shape.
            #[must_use]
            pub const fn version(&self) -> &'static str {
                match self { $(Self::$event { .. } => stringify!($version)),+ }
            }
        }

        impl cqrs_es::DomainEvent for $events {
            fn event_type(&self) -> String {
                self.name().to_owned()
            }

            fn event_version(&self) -> String {
                self.version().to_owned()
            }
        }
    };
}

pub(crate) use versions;
