//! What an object store can do: the little that a store of states needs of it.

/// Which version of an object this is: what the store says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) String);

/// When an object may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    /// Nothing is there yet.
    Absent,
    /// What is there is this.
    Still(Tag),
    /// In any case.
    Always,
}

/// Why an object was not written or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Somebody else came first.
    Lost,
    /// The store did not do it.
    Failed(String),
}

/// Objects by name, with compare-and-swap.
pub(crate) trait Blobs: Send + Sync {
    /// The bytes of an object and their version; nothing where there is none.
    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Fault>;

    /// Writes an object, when it may be written.
    fn put(&self, name: &str, bytes: &[u8], when: &When) -> Result<(), Fault>;

    /// The names that begin so, in order.
    fn list(&self, prefix: &str) -> Result<Vec<String>, Fault>;

    /// Removes an object; one that is not there is no fault.
    fn delete(&self, name: &str) -> Result<(), Fault>;

    /// Where it is, for people.
    fn place(&self) -> String;
}

/// Objects in memory, for tests.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Memory(std::sync::Mutex<std::collections::BTreeMap<String, (Vec<u8>, u64)>>);

#[cfg(test)]
impl Blobs for Memory {
    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Fault> {
        let all = self.0.lock().unwrap();
        Ok(all.get(name).map(|(bytes, version)| (bytes.clone(), Tag(version.to_string()))))
    }

    fn put(&self, name: &str, bytes: &[u8], when: &When) -> Result<(), Fault> {
        let mut all = self.0.lock().unwrap();
        let now = all.get(name).map(|(_, version)| *version);
        let may = match when {
            When::Absent => now.is_none(),
            When::Still(tag) => now.is_some_and(|version| version.to_string() == tag.0),
            When::Always => true,
        };
        if !may {
            return Err(Fault::Lost);
        }
        all.insert(name.to_owned(), (bytes.to_vec(), now.unwrap_or(0) + 1));
        Ok(())
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let all = self.0.lock().unwrap();
        Ok(all.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}
