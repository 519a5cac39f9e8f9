//! Makes id types: a UUID that cannot be taken for another kind of id.

/// Declares a newtype over `Uuid` that reads and writes as one.
///
/// ```
/// envelope::id!(
///     /// Names a parcel.
///     ParcelId
/// );
/// let id = ParcelId::new();
/// assert_eq!(id.to_string().parse::<ParcelId>().unwrap(), id);
/// ```
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            $crate::serde::Serialize, $crate::serde::Deserialize, $crate::schemars::JsonSchema,
        )]
        #[serde(crate = "envelope::serde", transparent)]
        #[schemars(crate = "envelope::schemars", transparent)]
        pub struct $name(pub $crate::uuid::Uuid);

        impl $name {
            /// A new id, ordered by the time it was made (UUIDv7).
            #[must_use]
            #[expect(clippy::new_without_default, reason = "two defaults would differ")]
            pub fn new() -> Self {
                Self($crate::uuid::Uuid::now_v7())
            }

            /// The id that always follows from this namespace and name (UUIDv5), so that a repeat meets the same thing.
            #[must_use]
            pub fn derived(namespace: $crate::uuid::Uuid, name: &[u8]) -> Self {
                Self($crate::uuid::Uuid::new_v5(&namespace, name))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}
