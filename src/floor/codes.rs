//! The codes of the floor: 0700-0739 data, 0740-0759 registry, 0760-0779 launch, 0780-0799 serve.

/// Every code of the floor with its title.
pub const CODES: &[(&str, &str)] = &[
    // data
    ("MLP0700", "source data cannot be read"),
    ("MLP0701", "source data is malformed"),
    ("MLP0702", "the format of the source data is unknown"),
    ("MLP0703", "the data does not match its schema"),
    ("MLP0704", "the data does not meet a quality expectation"),
    ("MLP0705", "a quality expectation cannot be checked"),
    ("MLP0706", "masking or redaction cannot be applied"),
    ("MLP0707", "the snapshot store cannot be written"),
    ("MLP0708", "the snapshot store cannot be read"),
    ("MLP0709", "unknown data version"),
    ("MLP0710", "invalid name of a data set"),
    ("MLP0711", "invalid sample"),
    ("MLP0712", "invalid schema"),
    // sources
    ("MLP0720", "a source cannot be reached"),
    ("MLP0721", "a source refuses the credentials"),
    ("MLP0722", "a source does not have what is to be read"),
    ("MLP0723", "a source broke off while it was read"),
    ("MLP0724", "what a source gives is not the data that was declared"),
    ("MLP0725", "the address or a setting of a source cannot be used"),
    ("MLP0726", "a secret cannot be read"),
    ("MLP0727", "what is read from a source cannot be written"),
    // keys and formats of data
    ("MLP0730", "a key of data is missing or cannot be used"),
    ("MLP0731", "encrypted data cannot be read"),
    ("MLP0732", "a column cannot be kept in the format"),
    // registry
    ("MLP0740", "the registry cannot be opened"),
    ("MLP0741", "the registry cannot be read or written"),
    ("MLP0742", "the registry was written by a newer version"),
    ("MLP0743", "unknown model"),
    ("MLP0744", "unknown model version"),
    ("MLP0745", "the model still has versions"),
    ("MLP0746", "the model version is in use by an alias"),
    ("MLP0747", "unknown alias"),
    ("MLP0748", "the alias is held"),
    ("MLP0749", "a model directory cannot be stored"),
    ("MLP0750", "a stored model is missing or damaged"),
    ("MLP0751", "invalid name of a model or alias"),
    ("MLP0752", "an alias has no earlier version to go back to"),
    // schedule
    ("MLP0755", "a schedule cannot be read"),
    ("MLP0756", "there is no such time zone"),
    // launch
    ("MLP0760", "the pipeline cannot be run as it is described"),
    ("MLP0761", "a step asks for more than this machine offers"),
    ("MLP0762", "the code of a step cannot be read"),
    ("MLP0763", "the files of a run cannot be read or written"),
    ("MLP0764", "the process of a step cannot be started"),
    ("MLP0765", "a step failed"),
    ("MLP0766", "a step took longer than its timeout"),
    ("MLP0767", "a step did not write one of its outputs"),
    ("MLP0768", "an output of a step is not what was declared"),
    ("MLP0769", "the metrics of a step are not valid"),
    ("MLP0770", "an input of a step is missing or was changed"),
    ("MLP0771", "a code snapshot is missing or damaged"),
    ("MLP0772", "the environment of a runtime cannot be built"),
    ("MLP0773", "a step touches a file of the project that it does not declare"),
    ("MLP0774", "an interpreter is not what was recorded"),
    // serve
    ("MLP0780", "invalid endpoint"),
    ("MLP0781", "the port of an endpoint cannot be used"),
    ("MLP0782", "a replica does not become ready"),
    ("MLP0783", "a batch prediction failed"),
    ("MLP0784", "the folder of an endpoint's logs cannot be written"),
    ("MLP0785", "requests cannot be recorded"),
    ("MLP0786", "the process of an endpoint does not answer"),
    ("MLP0787", "the graph of an endpoint leads nowhere"),
    ("MLP0788", "a GPU of an endpoint is in use"),
];

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_are_unique_and_well_formed() {
        for (index, (code, title)) in CODES.iter().enumerate() {
            assert!(code.len() == 7 && code.starts_with("MLP07"), "{code}");
            assert!(!title.is_empty());
            assert!(CODES[..index].iter().all(|(other, _)| other != code), "{code} twice");
        }
    }
}
