//! Small secrets and whole files, encrypted by `age` for recipients or with a passphrase.

use std::str::FromStr;

use age::secrecy::SecretString;
use mlp_diag::Diagnostic;

use crate::codes;
use crate::keyring::KeySource;

/// How an armoured age file begins.
const ARMOR: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// The cost of a passphrase as a power of two: about a second on one core, and half a gigabyte is not needed.
const WORK: u8 = 16;

fn wrong(what: &str, help: &str) -> Diagnostic {
    Diagnostic::error(codes::KEY_WRONG, what.to_owned()).help(help)
}

/// Whether a text is an encrypted file.
pub fn is_wrapped(text: &str) -> bool {
    text.starts_with(ARMOR)
}

/// Encrypts a text for those who are to open it.
///
/// # Errors
/// A recipient is none, or nobody is named.
pub fn wrap(source: &KeySource, text: &str) -> Result<String, Diagnostic> {
    let failed = |why: &dyn std::fmt::Display| {
        wrong(
            &format!("the state cannot be encrypted: {why}"),
            "check `recipients` and `passphrase` of `encrypt`",
        )
    };
    if let Some(passphrase) = &source.passphrase {
        let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.clone()));
        recipient.set_work_factor(WORK);
        return age::encrypt_and_armor(&recipient, text.as_bytes()).map_err(|error| failed(&error));
    }
    let parse = |text: &String| {
        age::x25519::Recipient::from_str(text).map_err(|why| {
            wrong(
                &format!("`{text}` is no age recipient: {why}"),
                "write the public key that `age-keygen` printed, `age1…`",
            )
        })
    };
    let recipients = source.recipients.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let each = recipients.iter().map(|one| one as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(each).map_err(|error| failed(&error))?;
    let mut armored = Vec::new();
    let write = || -> std::io::Result<()> {
        use std::io::Write;
        let armor = age::armor::ArmoredWriter::wrap_output(&mut armored, age::armor::Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armor)?;
        writer.write_all(text.as_bytes())?;
        writer.finish()?.finish()?;
        Ok(())
    };
    write().map_err(|error| failed(&error))?;
    String::from_utf8(armored).map_err(|error| failed(&error))
}

/// Decrypts what [`wrap`] wrote; nothing where these keys do not open it.
///
/// # Errors
/// An identity is none.
pub fn unwrap(source: &KeySource, wrapped: &str) -> Result<Option<String>, Diagnostic> {
    let mut identities: Vec<Box<dyn age::Identity>> = Vec::new();
    if let Some(passphrase) = &source.passphrase {
        let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.clone()));
        identity.set_max_work_factor(WORK + 2);
        identities.push(Box::new(identity));
    }
    for text in &source.identities {
        let file = age::IdentityFile::from_buffer(text.as_bytes()).map_err(|_| no_identity())?;
        let found = file.into_identities().map_err(|_| no_identity())?;
        identities.extend(found);
    }
    let each = identities.iter().map(|one| &**one);
    let opened = age::Decryptor::new(age::armor::ArmoredReader::new(wrapped.as_bytes()))
        .and_then(|decryptor| decryptor.decrypt(each));
    let Ok(mut reader) = opened else { return Ok(None) };
    let mut text = String::new();
    // What was changed after it was encrypted does not open.
    Ok(std::io::Read::read_to_string(&mut reader, &mut text).is_ok().then_some(text))
}

fn no_identity() -> Diagnostic {
    wrong(
        "an identity that `encrypt` names is no age identity",
        "give the file that `age-keygen` wrote: a line of it begins with `AGE-SECRET-KEY-1`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_is_opened_by_its_recipients_alone() {
        use age::secrecy::ExposeSecret;
        let source = || {
            let identity = age::x25519::Identity::generate();
            KeySource {
                recipients: vec![identity.to_public().to_string()],
                identities: vec![identity.to_string().expose_secret().to_owned()],
                passphrase: None,
            }
        };
        let (ann, bob) = (source(), source());
        let both = KeySource {
            recipients: [ann.recipients.clone(), bob.recipients.clone()].concat(),
            ..ann.clone()
        };
        let wrapped = wrap(&both, "canary").unwrap();
        assert!(is_wrapped(&wrapped) && !wrapped.contains("canary"));
        for source in [&ann, &bob] {
            assert_eq!(unwrap(source, &wrapped).unwrap().as_deref(), Some("canary"));
        }
        assert_eq!(unwrap(&source(), &wrapped).unwrap(), None);
        let secret = KeySource { passphrase: Some("correct horse".into()), ..KeySource::default() };
        let wrapped = wrap(&secret, "canary").unwrap();
        assert_eq!(unwrap(&secret, &wrapped).unwrap().as_deref(), Some("canary"));
        let other = KeySource { passphrase: Some("wrong horse".into()), ..KeySource::default() };
        assert_eq!(unwrap(&other, &wrapped).unwrap(), None);
        let broken = KeySource { recipients: vec!["ann".into()], ..KeySource::default() };
        assert_eq!(wrap(&broken, "x").unwrap_err().code, "MLP0608");
        let broken = KeySource { identities: vec!["ann".into()], ..KeySource::default() };
        assert_eq!(unwrap(&broken, &wrapped).unwrap_err().code, "MLP0608");
    }
}
