//! Functions of Terraform that are not here, with the reason and the way out.

/// A function of Terraform that this language leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: &'static str,
    /// Why.
    pub why: &'static str,
    /// What serves instead.
    pub instead: &'static str,
}

/// All of them, by name.
pub const LEFT_OUT: &[LeftOut] = &[
    LeftOut {
        name: "abspath",
        why: "an absolute path is another one on every machine, so that two people would plan two things",
        instead: "give a path relative to the project; `path.root` and `path.module` are there",
    },
    LeftOut {
        name: "bcrypt",
        why: "its result is another one at every call, so that every plan would show a change",
        instead: "keep the digest in a `secret`, made once by the tool that needs it",
    },
    LeftOut {
        name: "pathexpand",
        why: "the home directory is another one for every person, so that two people would plan two things",
        instead: "give a path relative to the project",
    },
    LeftOut {
        name: "plantimestamp",
        why: "planning reads no clock: two plans of the same things are the same",
        instead: "`timestamp()` gives the time of the apply; a variable can carry any other",
    },
    LeftOut {
        name: "rsadecrypt",
        why: "what is decrypted would lie in the plan, and the key in the specification",
        instead: "a `secret` reads from where the store decrypts: `vault:`, `aws-sm:`, `azure-kv:`, `gcp-sm:`",
    },
];
