//! What should be there: graphs of objects that chance makes and changes.

use std::collections::{BTreeMap, BTreeSet};

use mlp_plan::mlp_provider::mlp_eval::{Expr, Later, Node, PlanValue, Traversal, TraversalStep, Unknown};
use mlp_plan::mlp_provider::mlp_value::{KnownValue, ResourceId, Type, Value};
use mlp_plan::mlp_provider::{Desired, Lifecycle};
use mlp_provider_testkit::Dice;

/// One object: three fields, and the objects with lower numbers that it needs.
#[derive(Debug, Clone)]
struct Part {
    fields: [u64; 3],
    needs: BTreeSet<u64>,
    /// Field `a` is the token of the first object it needs.
    linked: bool,
    /// Made anew under another name, before the old one ends.
    first: bool,
}

/// The objects by number.
#[derive(Debug, Clone, Default)]
pub struct Wish(BTreeMap<u64, Part>);

fn id(number: u64) -> ResourceId {
    format!("sim.n{number}").parse().unwrap()
}

impl Wish {
    /// Between five and fifteen objects.
    pub fn first(dice: &mut Dice) -> Self {
        let mut wish = Self::default();
        for number in 0..5 + dice.below(11) {
            wish.add(number, dice);
        }
        wish
    }

    fn add(&mut self, number: u64, dice: &mut Dice) {
        let others: Vec<u64> = self.0.keys().copied().filter(|other| *other < number).collect();
        let needs = others.into_iter().filter(|_| dice.percent(25)).collect();
        let fields = [0; 3].map(|_: u64| dice.below(3));
        // How an object is named stays: names are computed once.
        let (linked, first) = (dice.percent(30), number % 4 == 1);
        self.0.insert(number, Part { fields, needs, linked, first });
    }

    /// Some objects change, go or come.
    pub fn change(&mut self, dice: &mut Dice) {
        for number in self.0.keys().copied().collect::<Vec<_>>() {
            match dice.below(10) {
                0 => {
                    self.0.remove(&number);
                    self.0.values_mut().for_each(|part| {
                        part.needs.remove(&number);
                    });
                }
                at @ 1..4 => {
                    if let Some(part) = self.0.get_mut(&number) {
                        part.fields[usize::try_from(at - 1).unwrap()] = dice.below(3);
                    }
                }
                4 => self.add(number, dice),
                _ => {}
            }
        }
        if dice.percent(50) {
            self.add(self.0.keys().last().map_or(0, |last| last + 1), dice);
        }
    }

    pub fn identities(&self) -> impl Iterator<Item = String> {
        self.0.keys().map(|number| self.identity(*number))
    }

    /// Field `b` is fixed at birth: what is made anew before the old one ends has it in its name.
    fn identity(&self, number: u64) -> String {
        match self.0.get(&number) {
            Some(part) if part.first => format!("n{number}b{}", part.fields[1]),
            _ => format!("n{number}"),
        }
    }

    pub fn desired(&self) -> Vec<Desired> {
        self.0.iter().map(|(number, part)| self.one(*number, part)).collect()
    }

    /// The fields each object must have in the end, once it is known what the others tell.
    pub fn fields(&self, token: &dyn Fn(&str) -> KnownValue) -> BTreeMap<String, KnownValue> {
        let fill = |(number, part): (&u64, &Part)| {
            let from = part.needs.first().map(|first| token(&self.identity(*first)));
            let known = self.one(*number, part).config.fill(&mut |_: &Unknown| from.clone().ok_or(()));
            (self.identity(*number), known.unwrap())
        };
        self.0.iter().map(fill).collect()
    }

    fn one(&self, number: u64, part: &Part) -> Desired {
        let mut fields: Vec<(&str, PlanValue)> = ["a", "b", "c"]
            .into_iter()
            .zip(part.fields)
            .map(|(name, at)| (name, Value::text(at.to_string())))
            .collect();
        fields
            .push(("needs", Value::list(part.needs.iter().map(|other| Value::text(self.identity(*other))))));
        if let Some(first) = part.needs.first().filter(|_| part.linked) {
            fields.push(("a", token_of(*first)));
        }
        let identity = self.identity(number);
        Desired {
            depends_on: part.needs.iter().copied().map(id).collect(),
            lifecycle: Lifecycle { create_before_destroy: part.first, ..Lifecycle::default() },
            ..Desired::new(id(number), "sim_object", identity, Value::object(fields))
        }
    }
}

fn token_of(number: u64) -> PlanValue {
    let steps = vec![TraversalStep::Attr(format!("n{number}").into()), TraversalStep::Attr("token".into())];
    let traversal = Traversal { root: "sim".into(), steps };
    Value::Hole(Unknown::from(Later {
        ty: Type::String,
        not_null: true,
        prefix: None,
        residual: Box::new(Expr::new(Node::Traverse { traversal }, None)),
        after: vec![format!("sim.n{number}")],
    }))
}
