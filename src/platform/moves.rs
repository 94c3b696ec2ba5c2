//! What a `moved` block says: which addresses it takes where.

use mlp_value::Address;

use crate::Declaration;

/// One `moved` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The address it had.
    pub from: Address,
    /// The address it has.
    pub to: Address,
}

/// Whether something is what an address names: itself, an instance of it, or something in that module.
pub fn lies_at(known: &Address, address: &Address) -> bool {
    if &*address.kind != "module" {
        return known == address || known.without_key() == *address;
    }
    known.enclosing().iter().any(|call| call == address || call.without_key() == *address)
}

/// The address that an attribute holds; nothing where it is not known, or none.
pub fn address_in(declaration: &Declaration, attribute: &str) -> Option<Address> {
    declaration.body.field(attribute)?.as_text()?.parse().ok()
}

impl Move {
    /// What a block says; nothing where one of its addresses is not there.
    pub fn of(declaration: &Declaration) -> Option<Self> {
        Some(Self { from: address_in(declaration, "from")?, to: address_in(declaration, "to")? })
    }

    /// Where it takes an address; nothing where it does not speak of it.
    pub fn takes(&self, address: &Address) -> Option<Address> {
        let (from, to) = (&self.from, &self.to);
        if &*from.kind != "module" {
            let instance = address.without_key() == *from && from.key.is_none() && to.key.is_none();
            return match (address == from, instance) {
                (true, _) => Some(to.clone()),
                (_, true) => {
                    let mut renamed = to.clone();
                    renamed.key.clone_from(&address.key);
                    Some(renamed)
                }
                _ => None,
            };
        }
        let calls = address.enclosing();
        let at = calls.iter().position(|call| {
            call == from || (from.key.is_none() && to.key.is_none() && call.without_key() == *from)
        })?;
        let key = if calls[at] == *from { to.key.clone() } else { calls[at].key.clone() };
        let mut call = to.clone();
        call.key = key;
        let mut module = call.inside();
        module.extend(address.module.iter().skip(at + 1).cloned());
        let mut renamed = address.clone();
        renamed.module = module;
        Some(renamed)
    }

    /// Whether what it takes away is still there under its old address. What gets a key by the move, or loses it, leaves the
    /// declaration where it was.
    pub fn leaves(&self, known: &Address) -> bool {
        lies_at(known, &self.from) && !lies_at(known, &self.to)
    }
}
