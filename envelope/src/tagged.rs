//! Takes the name off an event: a store keeps the name in a column of its own, and the payload holds the fields alone.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, IgnoredAny, IntoDeserializer as _, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The fields of an event as JSON: what stands inside the variant's name. A variant without fields gives `{}`.
///
/// ```
/// #[derive(serde::Serialize)]
/// enum Happened { ParcelSent { weight_g: u32 }, ParcelLost }
/// assert_eq!(envelope::tagged::write(&Happened::ParcelSent { weight_g: 5 }).unwrap(), r#"{"weight_g":5}"#);
/// assert_eq!(envelope::tagged::write(&Happened::ParcelLost).unwrap(), "{}");
/// ```
///
/// # Errors
/// What serde says, for data that JSON cannot hold.
pub fn write<E: Serialize>(event: &E) -> serde_json::Result<String> {
    let text = serde_json::to_string(event)?;
    let fields = text.strip_prefix("{\"").and_then(|rest| rest.split_once("\":"));
    Ok(fields.and_then(|(_, fields)| fields.strip_suffix('}')).unwrap_or("{}").to_owned())
}

/// Reads the variant of that name straight from its fields: nothing is copied or put together first, because rebuilds
/// do this for every event there is.
///
/// # Errors
/// What the format says, and if there is no such variant.
pub fn read<'de, E: Deserialize<'de>, D: Deserializer<'de>>(name: &str, fields: D) -> Result<E, D::Error> {
    E::deserialize(Tagged { name, fields })
}

/// The same from JSON text, which must hold the fields and nothing after them.
///
/// # Errors
/// As [`read`].
pub fn read_str<'de, E: Deserialize<'de>>(name: &str, fields: &'de str) -> serde_json::Result<E> {
    let mut json = serde_json::Deserializer::from_str(fields);
    let event = read(name, &mut json)?;
    json.end()?;
    Ok(event)
}

/// An enum whose variant's name is known and whose fields are still to be read.
struct Tagged<'a, D> {
    name: &'a str,
    fields: D,
}

struct Fields<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Tagged<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, D: Deserializer<'de>> EnumAccess<'de> for Tagged<'_, D> {
    type Error = D::Error;
    type Variant = Fields<D>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Fields<D>), D::Error> {
        let name: StrDeserializer<'_, D::Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Fields(self.fields)))
    }
}

impl<'de, D: Deserializer<'de>> VariantAccess<'de> for Fields<D> {
    type Error = D::Error;

    fn unit_variant(self) -> Result<(), D::Error> {
        IgnoredAny::deserialize(self.0).map(drop)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, D::Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests;
