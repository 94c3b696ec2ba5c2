//! `mlp completions`.

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::exit::Exit;
use super::project::{Project, VariableArgs};
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(required_unless_present = "names")]
    shell: Option<Shell>,
    /// What the scripts ask for: the names that a project has
    #[arg(long, hide = true, value_enum)]
    names: Option<Names>,
}

/// Names of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Names {
    Environments,
    Addresses,
}

/// Commands whose argument is the address of a declaration.
const OF_ADDRESSES: &[&str] = &["explain", "logs", "rollback", "run", "show"];

/// Prints the script, or the names it asks for.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    if let Some(names) = args.names {
        // Where there is no project, there are no names; a completion says nothing of what is wrong.
        let project = Project::read(globals, &VariableArgs::default());
        let found = match names {
            Names::Environments => project.environments(),
            Names::Addresses => project.addresses(),
        };
        report::data(&found.iter().map(|name| format!("{name}\n")).collect::<String>());
        return Exit::Success;
    }
    let Some(shell) = args.shell else { return Exit::Error };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::Cli::command(), "mlp", &mut script);
    report::data(&with_names(shell, &String::from_utf8_lossy(&script)));
    Exit::Success
}

/// The script with what asks the program itself for names.
fn with_names(shell: Shell, script: &str) -> String {
    let commands = OF_ADDRESSES.join("|");
    match shell {
        Shell::Bash => format!(
            r#"{script}
_mlp_with_names() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" names=""
    case "$before" in
        -e|-env|--env) names=environments ;;
        {commands}) [[ "$word" == -* ]] || names=addresses ;;
    esac
    if [ -n "$names" ]; then
        COMPREPLY=($(compgen -W "$("${{COMP_WORDS[0]}}" completions --names "$names" 2>/dev/null)" -- "$word"))
    else
        _mlp "$@"
    fi
}}
complete -F _mlp_with_names -o bashdefault -o default mlp
"#
        ),
        Shell::Fish => {
            let addresses: String = OF_ADDRESSES
                .iter()
                .map(|command| {
                    format!(
                        "complete -c mlp -n \"__fish_seen_subcommand_from {command}\" -f -a \"(mlp completions --names addresses 2>/dev/null)\"\n"
                    )
                })
                .collect();
            format!(
                "{script}complete -c mlp -s e -l env -x -a \"(mlp completions --names environments 2>/dev/null)\"\n{addresses}"
            )
        }
        Shell::Zsh => {
            let ask = "_mlp_environments() {\n    compadd -- ${(f)\"$(mlp completions --names environments 2>/dev/null)\"}\n}\n\n";
            let asking =
                script.replace("[The environment]:NAME:_default", "[The environment]:NAME:_mlp_environments");
            asking.replacen("_mlp() {", &format!("{ask}_mlp() {{"), 1)
        }
        _ => script.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_takes_an_address_is_one() {
        let command = super::super::Cli::command();
        for name in OF_ADDRESSES {
            let found = command.find_subcommand(name).unwrap_or_else(|| panic!("{name}"));
            assert!(found.get_positionals().next().is_some(), "{name}");
        }
    }

    #[test]
    fn each_script_asks_for_environments() {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut super::super::Cli::command(), "mlp", &mut script);
            let script = with_names(shell, &String::from_utf8(script).unwrap());
            assert!(script.contains("completions --names"), "{shell}");
            assert!(!script.contains("[The environment]:NAME:_default"), "{shell}");
        }
    }
}
