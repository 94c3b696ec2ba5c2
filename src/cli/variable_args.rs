//! `-var` and `-var-file`, in the order of the command line: the later wins.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// Values of variables given on the command line.
#[derive(Debug, Clone, Default)]
pub struct VariableArgs {
    /// In the order written.
    pub words: Vec<Word>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// `-var name=value`
    Value(String),
    /// `-var-file name`
    File(PathBuf),
}

impl clap::Args for VariableArgs {
    fn augment_args(command: Command) -> Command {
        let value =
            Arg::new("var").long("var").value_name("NAME=VALUE").action(ArgAction::Append).help(
                "Value of a variable; of -var and -var-file the later wins, and they win over all else",
            );
        let file = Arg::new("var_file")
            .long("var-file")
            .value_name("FILE")
            .action(ArgAction::Append)
            .value_parser(value_parser!(PathBuf))
            .help("File of values, JSON where its name ends so; read after mlp.mlpvars and every *.auto.mlpvars");
        command.arg(value).arg(file)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for VariableArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut words: Vec<(usize, Word)> = Vec::new();
        if let (Some(places), Some(values)) = (matches.indices_of("var"), matches.get_many::<String>("var")) {
            words.extend(places.zip(values.cloned().map(Word::Value)));
        }
        let files = matches.get_many::<PathBuf>("var_file");
        if let (Some(places), Some(files)) = (matches.indices_of("var_file"), files) {
            words.extend(places.zip(files.cloned().map(Word::File)));
        }
        words.sort_by_key(|(place, _)| *place);
        Ok(Self { words: words.into_iter().map(|(_, word)| word).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    #[test]
    fn the_order_of_the_command_line_is_kept() {
        let command = VariableArgs::augment_args(Command::new("mlp"));
        let words = ["mlp", "--var", "a=1", "--var-file", "b.mlpvars", "--var=a=2"];
        let found = VariableArgs::from_arg_matches(&command.get_matches_from(words)).unwrap();
        let value = |text: &str| Word::Value(text.to_owned());
        assert_eq!(found.words, [value("a=1"), Word::File("b.mlpvars".into()), value("a=2")]);
    }
}
