//! Who works here, and on which commit.

pub use mlp_floor::commit;

/// `user@host`.
pub fn who() -> String {
    let id = rustix::process::getuid().as_raw();
    let user =
        std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok().filter(|user| !user.is_empty());
    let user = user.or_else(|| account(&std::fs::read_to_string("/etc/passwd").ok()?, id));
    let user = user.unwrap_or_else(|| format!("user {id}"));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}")
}

/// The name of a user in the lines of a password file.
fn account(passwd: &str, id: u32) -> Option<String> {
    let is_it = |fields: &Vec<&str>| fields.get(2).is_some_and(|field| *field == id.to_string());
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find(is_it).and_then(|fields| fields.first().map(|name| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_variable_has_a_name() {
        let passwd = "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n";
        assert_eq!(account(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(account(passwd, 7), None);
    }
}
