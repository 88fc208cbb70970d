//! Values of the language.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDateTime;

use super::ast::ScriptAst;
use super::error::{ErrorRecord, Exception};
use super::types::native::Native;

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Byte(u8),
    Int(i32),
    Long(i64),
    Double(f64),
    Char(char),
    Str(Arc<str>),
    Array(Arc<Mutex<Vec<Value>>>),
    Bytes(Arc<Mutex<Vec<u8>>>),
    Hash(Arc<Hash>),
    Object(Arc<Object>),
    Script(Arc<ScriptAst>),
    /// A type, by its full name.
    Type(Arc<str>),
    Date(NaiveDateTime),
    /// A `TimeSpan` in ticks of 100 ns.
    Span(i64),
}

/// A hash table; it keeps the order in which its keys came.
#[derive(Debug, Default)]
pub(super) struct Hash {
    pub(super) ordered: bool,
    data: Mutex<HashData>,
}

#[derive(Debug, Default)]
struct HashData {
    places: HashMap<String, usize>,
    entries: Vec<(Value, Value)>,
}

impl Hash {
    pub(super) fn new(ordered: bool) -> Self {
        Self { ordered, data: Mutex::default() }
    }

    fn key(key: &Value) -> String {
        match key {
            Value::Str(s) => format!("s{}", s.to_lowercase()),
            other => format!("{}:{}", other.type_name(), other.to_text()),
        }
    }

    pub(super) fn get(&self, key: &Value) -> Option<Value> {
        let data = lock(&self.data);
        let place = *data.places.get(&Self::key(key))?;
        Some(data.entries[place].1.clone())
    }

    pub(super) fn set(&self, key: Value, value: Value) {
        let mut data = lock(&self.data);
        let name = Self::key(&key);
        match data.places.get(&name).copied() {
            Some(place) => data.entries[place].1 = value,
            None => {
                let place = data.entries.len();
                data.places.insert(name, place);
                data.entries.push((key, value));
            }
        }
    }

    pub(super) fn remove(&self, key: &Value) {
        let mut data = lock(&self.data);
        if let Some(place) = data.places.remove(&Self::key(key)) {
            data.entries.remove(place);
            for other in data.places.values_mut() {
                if *other > place {
                    *other -= 1;
                }
            }
        }
    }

    pub(super) fn clear(&self) {
        *lock(&self.data) = HashData::default();
    }

    pub(super) fn entries(&self) -> Vec<(Value, Value)> {
        lock(&self.data).entries.clone()
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.data).entries.len()
    }
}

/// An object: the properties it carries and, for .NET types, what is behind them.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) type_name: Arc<str>,
    pub(super) properties: Mutex<Vec<(Arc<str>, Value)>>,
    pub(super) native: Native,
}

impl Object {
    pub(super) fn property(&self, name: &str) -> Option<Value> {
        let properties = lock(&self.properties);
        properties.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone())
    }

    pub(super) fn set_property(&self, name: &str, value: Value) -> bool {
        let mut properties = lock(&self.properties);
        match properties.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(entry) => {
                entry.1 = value;
                true
            }
            None => false,
        }
    }

    pub(super) fn add_property(&self, name: &str, value: Value) {
        if !self.set_property(name, value.clone()) {
            lock(&self.properties).push((name.into(), value));
        }
    }

    pub(super) fn properties(&self) -> Vec<(Arc<str>, Value)> {
        lock(&self.properties).clone()
    }
}

pub(super) const CUSTOM_OBJECT: &str = "System.Management.Automation.PSCustomObject";

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl Value {
    pub(super) fn array(values: Vec<Value>) -> Self {
        Self::Array(Arc::new(Mutex::new(values)))
    }

    pub(super) fn bytes(bytes: Vec<u8>) -> Self {
        Self::Bytes(Arc::new(Mutex::new(bytes)))
    }

    pub(super) fn custom(properties: Vec<(Arc<str>, Value)>) -> Self {
        Self::object(CUSTOM_OBJECT, properties, Native::None)
    }

    pub(super) fn object(type_name: &str, properties: Vec<(Arc<str>, Value)>, native: Native) -> Self {
        Self::Object(Arc::new(Object {
            type_name: type_name.into(),
            properties: Mutex::new(properties),
            native,
        }))
    }

    pub(super) fn error(record: ErrorRecord) -> Self {
        Self::object("System.Management.Automation.ErrorRecord", Vec::new(), Native::Error(Box::new(record)))
    }

    pub(super) fn exception(exception: &Arc<Exception>) -> Self {
        Self::object(&exception.type_name, Vec::new(), Native::Exception(exception.clone()))
    }

    /// A count or a length.
    pub(super) fn count(number: usize) -> Self {
        i32::try_from(number).map_or(Self::Long(number as i64), Self::Int)
    }

    /// The smallest of `Int32` and `Int64` that holds the number.
    pub(super) fn number(number: i64) -> Self {
        i32::try_from(number).map_or(Self::Long(number), Self::Int)
    }

    /// What a pipeline gave: nothing, the one value, or an array.
    pub(super) fn from_outputs(mut values: Vec<Value>) -> Self {
        match values.len() {
            0 => Self::Null,
            1 => values.remove(0),
            _ => Self::array(values),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(super) fn native(&self) -> Option<&Native> {
        match self {
            Self::Object(object) => Some(&object.native),
            _ => None,
        }
    }

    /// The items when the value is a collection the pipeline takes apart.
    pub(super) fn enumerate(&self) -> Option<Vec<Value>> {
        match self {
            Self::Array(values) => Some(lock(values).clone()),
            Self::Bytes(bytes) => Some(lock(bytes).iter().map(|&b| Self::Byte(b)).collect()),
            Self::Object(object) => object.native.items(),
            _ => None,
        }
    }

    /// The items, or the value itself as the only one; `$null` is one item.
    pub(super) fn items(&self) -> Vec<Value> {
        self.enumerate().unwrap_or_else(|| vec![self.clone()])
    }

    pub(super) fn is_collection(&self) -> bool {
        match self {
            Self::Array(_) | Self::Bytes(_) => true,
            Self::Object(object) => matches!(object.native, Native::List(_)),
            _ => false,
        }
    }

    pub(super) fn truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(b) => *b,
            Self::Byte(n) => *n != 0,
            Self::Int(n) => *n != 0,
            Self::Long(n) => *n != 0,
            Self::Double(n) => *n != 0.0,
            Self::Char(c) => *c != '\0',
            Self::Str(s) => !s.is_empty(),
            Self::Array(_) | Self::Bytes(_) => match &self.items()[..] {
                [] => false,
                [one] => one.is_collection() || one.truthy(),
                _ => true,
            },
            Self::Object(object) => match object.native.items() {
                Some(items) => !items.is_empty() && (items.len() > 1 || items[0].truthy()),
                None => true,
            },
            _ => true,
        }
    }

    /// The full name of the value's type.
    pub(super) fn type_name(&self) -> Arc<str> {
        match self {
            Self::Null => "System.Void".into(),
            Self::Bool(_) => "System.Boolean".into(),
            Self::Byte(_) => "System.Byte".into(),
            Self::Int(_) => "System.Int32".into(),
            Self::Long(_) => "System.Int64".into(),
            Self::Double(_) => "System.Double".into(),
            Self::Char(_) => "System.Char".into(),
            Self::Str(_) => "System.String".into(),
            Self::Array(_) => "System.Object[]".into(),
            Self::Bytes(_) => "System.Byte[]".into(),
            Self::Hash(hash) if hash.ordered => "System.Collections.Specialized.OrderedDictionary".into(),
            Self::Hash(_) => "System.Collections.Hashtable".into(),
            Self::Object(object) => object.type_name.clone(),
            Self::Script(_) => "System.Management.Automation.ScriptBlock".into(),
            Self::Type(_) => "System.RuntimeType".into(),
            Self::Date(_) => "System.DateTime".into(),
            Self::Span(_) => "System.TimeSpan".into(),
        }
    }
}
