//! JSON between Python's values and serde's: the one place where values are converted.

use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple},
};
use serde_json::{Map, Number, Value};

/// How deep lists and dicts may be nested. A definition may be 64 deep; a list that holds itself has no end.
const DEPTH_MAX: usize = 128;

/// The JSON value that `given` is. `argument` is what the caller calls it.
///
/// # Errors
///
/// `TypeError` for what JSON has no form for, and `ValueError` for a number that it cannot hold or a value nested too deep; both
/// name the argument and the place.
pub(crate) fn value(argument: &str, given: &Bound<'_, PyAny>) -> PyResult<Value> {
    read(given, DEPTH_MAX).map_err(|fault| fault.raise(argument))
}

/// The JSON object that `given` is.
///
/// # Errors
///
/// As [`value`], and `TypeError` for what is no `dict`.
pub(crate) fn object(argument: &str, given: &Bound<'_, PyAny>) -> PyResult<Map<String, Value>> {
    let Ok(given) = given.cast::<PyDict>() else {
        let found = type_name(given);
        return Err(PyTypeError::new_err(format!("{argument}: a dict is needed, not {found}")));
    };
    members(given, DEPTH_MAX).map_err(|fault| fault.raise(argument))
}

/// The Python value of `value`.
///
/// # Errors
///
/// When Python has no memory for it.
pub(crate) fn python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.into_pyobject(py)?.into_any(),
            (_, Some(number), _) => number.into_pyobject(py)?.into_any(),
            (.., number) => PyFloat::new(py, number.unwrap_or(f64::NAN)).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(python(py, item)?)?;
            }
            list.into_any()
        }
        Value::Object(map) => dict(py, map)?.into_any(),
    })
}

/// The Python dict of `map`.
///
/// # Errors
///
/// As [`python`].
pub(crate) fn dict<'py>(py: Python<'py>, map: &Map<String, Value>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in map {
        dict.set_item(key, python(py, value)?)?;
    }
    Ok(dict)
}

fn read(given: &Bound<'_, PyAny>, depth: usize) -> Result<Value, Fault> {
    if let Ok(text) = given.cast::<PyString>() {
        return text
            .to_str()
            .map(Value::from)
            .map_err(|_| Fault::value("text with a lone surrogate is no Unicode"));
    }
    if given.is_none() {
        return Ok(Value::Null);
    }
    // Before numbers: Python's booleans are integers too.
    if let Ok(value) = given.cast::<PyBool>() {
        return Ok(Value::Bool(value.is_true()));
    }
    if given.cast::<PyInt>().is_ok() {
        let number =
            given.extract::<i64>().map(Number::from).or_else(|_| given.extract::<u64>().map(Number::from));
        return number.map(Value::Number).map_err(|_| Fault::value("the number does not fit 64 bits"));
    }
    if let Ok(number) = given.cast::<PyFloat>() {
        let number = Number::from_f64(number.value());
        return number.map(Value::Number).ok_or_else(|| Fault::value("JSON has neither NaN nor infinity"));
    }
    let Some(below) = depth.checked_sub(1) else {
        return Err(Fault::value("values are nested too deep"));
    };
    if let Ok(dict) = given.cast::<PyDict>() {
        return members(dict, below).map(Value::Object);
    }
    if let Ok(list) = given.cast::<PyList>() {
        return items(list.iter(), list.len(), below);
    }
    if let Ok(tuple) = given.cast::<PyTuple>() {
        return items(tuple.iter(), tuple.len(), below);
    }
    let found = type_name(given);
    Err(Fault::kind(format!("JSON has no form for {found}; give dict, list, str, int, float, bool or None")))
}

fn members(dict: &Bound<'_, PyDict>, depth: usize) -> Result<Map<String, Value>, Fault> {
    let mut map = Map::with_capacity(dict.len());
    for (key, value) in dict.iter() {
        let Ok(name) = key.cast::<PyString>() else {
            return Err(Fault::kind(format!("a key is a str, not {}", type_name(&key))));
        };
        let Ok(name) = name.to_str() else {
            return Err(Fault::value("a key with a lone surrogate is no Unicode"));
        };
        let value = read(&value, depth).map_err(|fault| fault.below(name))?;
        map.insert(name.to_owned(), value);
    }
    Ok(map)
}

fn items<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    length: usize,
    depth: usize,
) -> Result<Value, Fault> {
    let mut list = Vec::with_capacity(length);
    for (index, item) in items.enumerate() {
        list.push(read(&item, depth).map_err(|fault| fault.below(&index.to_string()))?);
    }
    Ok(Value::Array(list))
}

fn type_name(given: &Bound<'_, PyAny>) -> String {
    given.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string())
}

/// What is wrong, and where. It never holds a value, which could be a secret.
struct Fault {
    is_type: bool,
    message: String,
    pointer: String,
}

impl Fault {
    fn kind(message: String) -> Self {
        Self { is_type: true, message, pointer: String::new() }
    }

    fn value(message: &str) -> Self {
        Self { is_type: false, message: message.to_owned(), pointer: String::new() }
    }

    fn below(mut self, member: &str) -> Self {
        // A value that holds itself would make the place as long as it is deep.
        if self.pointer.len() < 200 {
            self.pointer = format!("/{}{}", member.replace('~', "~0").replace('/', "~1"), self.pointer);
        }
        self
    }

    fn raise(self, argument: &str) -> PyErr {
        let place = if self.pointer.is_empty() { String::new() } else { format!(" at {}", self.pointer) };
        let message = format!("{argument}{place}: {}", self.message);
        if self.is_type { PyTypeError::new_err(message) } else { PyValueError::new_err(message) }
    }
}
