//! Who works here, and on which commit.

pub use mlp_floor::commit;

/// `user@host`.
pub fn who() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{}@{host}", user())
}

/// The user in the name of a folder; what does not fit there is told apart by a digest.
pub fn folder() -> String {
    as_folder(&user())
}

fn as_folder(user: &str) -> String {
    let fits = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-' || sign == '_';
    if user.len() <= 40 && user.chars().all(fits) {
        return user.to_owned();
    }
    let plain: String = user.to_lowercase().chars().filter(|sign| fits(*sign)).take(20).collect();
    let digest = blake3::hash(user.as_bytes()).to_hex();
    format!("{plain}-{}", digest.get(..8).unwrap_or_default())
}

/// The user's name: as the environment says it, or as the account is called.
pub fn user() -> String {
    let id = rustix::process::getuid().as_raw();
    let user =
        std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok().filter(|user| !user.is_empty());
    let user = user.or_else(|| account(&std::fs::read_to_string("/etc/passwd").ok()?, id));
    user.unwrap_or_else(|| format!("user {id}"))
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
    fn users_have_folders_of_their_own() {
        assert_eq!(as_folder("ann"), "ann");
        let (one, two) = (as_folder("Ann Smith"), as_folder("ann/smith"));
        assert!(one.starts_with("annsmith-") && two.starts_with("annsmith-") && one != two);
    }

    #[test]
    fn a_user_without_a_variable_has_a_name() {
        let passwd = "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n";
        assert_eq!(account(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(account(passwd, 7), None);
    }
}
