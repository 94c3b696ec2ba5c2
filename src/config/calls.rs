//! Functions whose result is a fact about another object: what they take and give. They stay calls, as values, until that object
//! is known; so their arguments are checked here and not where they are computed.

use mlp_eval::PlanValue;
use mlp_platform::forms;
use mlp_platform::schema::Ty;
use mlp_value::{Step, Value};

use crate::codes;
use crate::expression::CALL;
use crate::fit::{Misfit, fit};

/// What a call gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// The same as its first argument, at another version.
    First,
    /// A reference to one of this kind.
    A(&'static str),
    /// True or false.
    Truth,
}

/// One of these functions.
pub(crate) struct Signature {
    name: &'static str,
    takes: &'static [Ty],
    /// How many of them must be there.
    least: usize,
    pub(crate) gives: Gives,
}

const ENVIRONMENT: Ty = Ty::Ref(&["environment"]);
/// A moment: a day, or a time that only a run knows.
const MOMENT: Ty = Ty::OneOf(&[Ty::Form(&forms::DAY), Ty::Text]);

const SIGNATURES: &[Signature] = &[
    Signature {
        name: "at",
        takes: &[Ty::Ref(&["dataset", "features", "model"]), MOMENT],
        least: 2,
        gives: Gives::First,
    },
    Signature {
        name: "version",
        takes: &[Ty::Ref(&["dataset", "features", "model"]), Ty::OneOf(&[Ty::Number, Ty::Text])],
        least: 1,
        gives: Gives::First,
    },
    Signature {
        name: "trained_on",
        takes: &[Ty::Ref(&["model"]), Ty::Ref(&["dataset", "features"])],
        least: 1,
        gives: Gives::A("dataset"),
    },
    Signature {
        name: "healthy",
        takes: &[Ty::Ref(&["monitor", "signal", "endpoint", "alert"]), Ty::Duration, ENVIRONMENT],
        least: 1,
        gives: Gives::Truth,
    },
    Signature {
        name: "deployed",
        takes: &[Ty::Ref(&["endpoint", "pipeline", "model", "features", "app"]), ENVIRONMENT],
        least: 1,
        gives: Gives::Truth,
    },
    Signature {
        name: "active",
        takes: &[Ty::Ref(&["monitor", "signal", "endpoint", "pipeline", "alert"]), ENVIRONMENT],
        least: 1,
        gives: Gives::Truth,
    },
];

/// What is known of a call by its name.
pub(crate) fn signature(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|one| one.name == name)
}

impl Signature {
    /// The type of an argument.
    pub(crate) fn takes(&self, index: usize) -> Option<&'static Ty> {
        self.takes.get(index)
    }

    /// Whether so many arguments can be.
    pub(crate) fn count(&self, given: usize) -> Result<(), String> {
        if (self.least..=self.takes.len()).contains(&given) {
            return Ok(());
        }
        let most = self.takes.len();
        let wanted = if self.least == most { most.to_string() } else { format!("{} to {most}", self.least) };
        Err(format!("`{}` takes {wanted} arguments, and {given} are given", self.name))
    }
}

/// The name and arguments of a call, if a value is one.
pub(crate) fn call_of(value: &PlanValue) -> Option<(&str, &[PlanValue])> {
    let items = value.as_object()?;
    Some((items.get(CALL)?.as_text()?, items.get("args").and_then(Value::as_list).unwrap_or_default()))
}

/// A call where a reference to one of these kinds is expected.
pub(crate) fn fit_call(value: &PlanValue, wanted: &[&str]) -> Result<(), Misfit> {
    let Some((name, arguments)) = call_of(value) else { return Ok(()) };
    let Some(signature) = signature(name) else { return Ok(()) };
    signature.count(arguments.len()).map_err(|why| misfit(why, "give it what it takes"))?;
    for (index, argument) in arguments.iter().enumerate() {
        let Some(ty) = signature.takes(index) else { continue };
        fit(argument, ty)
            .map_err(|misfit| misfit.under(Step::Index(index)).under(Step::Field("args".into())))?;
    }
    let gives = match signature.gives {
        Gives::First => match arguments.first().and_then(crate::fit::kind_of_reference) {
            Some(kind) => kind,
            None => return Ok(()),
        },
        Gives::A(kind) => kind.to_owned(),
        Gives::Truth => "a truth value".to_owned(),
    };
    if wanted.is_empty() || wanted.contains(&gives.as_str()) {
        return Ok(());
    }
    let wanted = wanted.join(" or a ");
    let mut misfit = misfit(
        format!("`{name}` gives a {gives} here, and a {wanted} is expected"),
        &format!("refer to a {wanted}"),
    );
    misfit.code = codes::WRONG_KIND;
    Err(misfit)
}

fn misfit(why: String, help: &str) -> Misfit {
    Misfit { code: codes::WRONG_TYPE, at: mlp_value::Path::default(), why, help: help.to_owned() }
}
