//! Positional parameters, read one by one with an error that names the parameter.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::RpcError;

/// Most positional parameters that any method takes.
const MAX_PARAMS: usize = 8;

/// The positional parameters of one request.
#[derive(Debug)]
pub struct Params<'a>(Vec<&'a RawValue>);

impl<'a> Params<'a> {
    /// Reads `params`; nothing counts as no parameters.
    ///
    /// # Errors
    /// Invalid parameters: an object, or too many.
    pub fn parse(raw: Option<&'a RawValue>) -> Result<Self, RpcError> {
        let Some(raw) = raw else {
            return Ok(Self(Vec::new()));
        };
        let values: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| {
            RpcError::invalid_params("parameters are given by position, in an array")
        })?;
        if values.len() > MAX_PARAMS {
            return Err(RpcError::invalid_params(format!(
                "{} parameters given, no method takes more than {MAX_PARAMS}",
                values.len()
            )));
        }
        Ok(Self(values))
    }

    /// The parameter at `position`, which must be there.
    ///
    /// # Errors
    /// Invalid parameters, naming `name`.
    pub fn required<T: DeserializeOwned>(
        &self,
        position: usize,
        name: &str,
    ) -> Result<T, RpcError> {
        self.optional(position, name)?.ok_or_else(|| {
            RpcError::invalid_params(format!("parameter {} (`{name}`) is missing", position + 1))
        })
    }

    /// The parameter at `position`; `null` counts as absent.
    ///
    /// # Errors
    /// Invalid parameters, naming `name`.
    pub fn optional<T: DeserializeOwned>(
        &self,
        position: usize,
        name: &str,
    ) -> Result<Option<T>, RpcError> {
        match self.0.get(position) {
            None => Ok(None),
            Some(raw) if raw.get() == "null" => Ok(None),
            Some(raw) => serde_json::from_str(raw.get()).map(Some).map_err(|error| {
                let reason = error.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default();
                RpcError::invalid_params(format!(
                    "parameter {} (`{name}`) has the wrong form: {reason}",
                    position + 1
                ))
            }),
        }
    }

    /// Refuses a parameter at `position` or after it.
    ///
    /// # Errors
    /// Invalid parameters.
    pub fn none_from(&self, position: usize, what: &str) -> Result<(), RpcError> {
        match self.0.get(position..).unwrap_or_default() {
            rest if rest.iter().all(|raw| raw.get() == "null") => Ok(()),
            _ => Err(RpcError::invalid_params(format!(
                "parameter {} is not taken: {what}",
                position + 1
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn names_the_parameter_that_is_missing_or_wrong() {
        let params = raw("[null, 5]");
        let params = Params::parse(Some(&params)).unwrap();
        let missing = params.required::<Address>(0, "address").unwrap_err();
        assert_eq!(missing.message(), "parameter 1 (`address`) is missing");
        let wrong = params.required::<Address>(1, "address").unwrap_err();
        assert_eq!(wrong.number(), -32602);
        assert!(
            wrong
                .message()
                .starts_with("parameter 2 (`address`) has the wrong form: ")
        );
    }

    #[test]
    fn refuses_named_parameters_and_too_many() {
        assert!(Params::parse(Some(&raw("{}"))).is_err());
        assert!(Params::parse(Some(&raw("[1,2,3,4,5,6,7,8,9]"))).is_err());
        assert!(Params::parse(None).is_ok());
    }

    #[test]
    fn refuses_a_parameter_that_is_not_taken() {
        let params = raw(r#"[{}, "latest", {"0x00": {}}]"#);
        let params = Params::parse(Some(&params)).unwrap();
        assert!(params.none_from(2, "state overrides").is_err());
        assert!(params.none_from(3, "state overrides").is_ok());
    }
}
