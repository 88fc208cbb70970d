//! Reads JSON or YAML into a [`Value`] and notes members that are given twice, which a plain [`Value`] would swallow.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{faults::Faults, place, spec};

/// What is noted while a document is read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) faults: Faults,
    size: usize,
}

impl Reading {
    pub(super) fn read<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<Value, D::Error> {
        Node { reading: self, place: &Place::Root, depth: 0 }.deserialize(deserializer)
    }

    /// Aliases let a short YAML text become a large document, so what comes out is counted, not what goes in.
    fn count<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.size = self.size.saturating_add(bytes).saturating_add(1);
        if self.size > spec::DEFINITION_BYTES_MAX { Err(E::custom(spec::too_large())) } else { Ok(()) }
    }
}

/// Where the reader is. A chain on the stack: a pointer is only spelled out when there is a fault.
enum Place<'p> {
    Root,
    Member(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(parent, name) => place::join(&parent.pointer(), name),
            Self::Item(parent, index) => place::join(&parent.pointer(), &index.to_string()),
        }
    }
}

struct Node<'r, 'p> {
    reading: &'r mut Reading,
    place: &'p Place<'p>,
    depth: usize,
}

impl Node<'_, '_> {
    fn descend<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.depth >= spec::DEFINITION_DEPTH_MAX {
            return Err(E::custom(spec::too_deep()));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.reading.count(0)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.reading.count(0)?;
        Ok(Value::from(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.reading.count(0)?;
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.reading.count(0)?;
        serde_json::Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.reading.count(value.len())?;
        Ok(Value::from(value))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.reading.count(value.len())?;
        Ok(Value::String(value))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.reading.count(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.reading.count(0)?;
        let depth = self.descend()?;
        let mut items = Vec::new();
        loop {
            let place = Place::Item(self.place, items.len());
            let Some(item) =
                seq.next_element_seed(Node { reading: &mut *self.reading, place: &place, depth })?
            else {
                return Ok(Value::Array(items));
            };
            items.push(item);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.reading.count(0)?;
        let depth = self.descend()?;
        let mut map = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            self.reading.count(name.len())?;
            let place = Place::Member(self.place, &name);
            if map.contains_key(&name) {
                self.reading
                    .faults
                    .add(place.pointer(), "this member is given more than once: keep one of them");
                access.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = access.next_value_seed(Node { reading: &mut *self.reading, place: &place, depth })?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

/// Whether a value that was built elsewhere is within the limits of a definition, and which it breaks.
pub(super) fn measure(value: &Value) -> Result<(), String> {
    let mut size = 0;
    measure_node(value, 0, &mut size)
}

fn measure_node(value: &Value, depth: usize, size: &mut usize) -> Result<(), String> {
    *size += 1;
    match value {
        Value::String(text) => *size += text.len(),
        Value::Array(_) | Value::Object(_) if depth >= spec::DEFINITION_DEPTH_MAX => {
            return Err(spec::too_deep());
        }
        Value::Array(items) => items.iter().try_for_each(|item| measure_node(item, depth + 1, size))?,
        Value::Object(map) => {
            for (name, item) in map {
                *size += name.len() + 1;
                measure_node(item, depth + 1, size)?;
            }
        }
        _ => {}
    }
    if *size > spec::DEFINITION_BYTES_MAX { Err(spec::too_large()) } else { Ok(()) }
}
