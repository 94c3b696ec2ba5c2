//! Diagnostic codes of the program itself, and the list of all rooms' lists.

#[path = "image/codes.rs"]
mod image;
#[path = "../providers/kubernetes/codes.rs"]
mod kubernetes;

use mlp_diag::CodeList;

/// Codes with their titles.
const CODES: CodeList = &[
    ("MLP0901", "a provider that this program does not have"),
    ("MLP0902", "a provider does not stop asking"),
    ("MLP0903", "a block that the provider does not serve"),
    ("MLP0904", "a place for state that this program does not have"),
    ("MLP0905", "the key of sensitive values cannot be used"),
    ("MLP0906", "a sensitive value is joined with one that is known later"),
    ("MLP0907", "a name is still held by what was made under it"),
    ("MLP0908", "a declaration cannot be moved or imported so"),
    ("MLP0909", "a native resource or override cannot be written so"),
    ("MLP0910", "a file cannot be read or written"),
    ("MLP0911", "no specification in the directory"),
    ("MLP0912", "a value on the command line cannot be used"),
    ("MLP0913", "which environment is not said"),
    ("MLP0914", "the machine has no threads left"),
    ("MLP0915", "a plan cannot be written"),
    ("MLP0916", "a plan cannot be read"),
    ("MLP0917", "the plan is stale"),
    ("MLP0918", "nobody is there to approve"),
    ("MLP0919", "something still waits after everything was run"),
    ("MLP0920", "nothing applied has that name"),
    ("MLP0921", "there is no such output"),
    ("MLP0922", "a project cannot be started here"),
    ("MLP0923", "there are no versions to show"),
    ("MLP0924", "a condition does not hold"),
    ("MLP0925", "outputs cannot be written for other projects"),
    ("MLP0926", "there is nothing to release"),
    ("MLP0927", "the state is in another place than the specification says"),
    ("MLP0930", "which model is not said"),
    ("MLP0931", "the provider does not offer this"),
    ("MLP0932", "nothing has that name"),
    ("MLP0934", "nothing in the catalogue is meant"),
    ("MLP0935", "an object cannot be written for others to apply"),
    ("MLP0936", "what lies outside the project is not what was pinned"),
    ("MLP0937", "files for others to apply cannot be written"),
    ("MLP0938", "no declaration can be written for what is imported"),
    ("MLP0940", "the conversation with an editor broke off"),
    ("MLP0941", "the terminal cannot be read"),
    ("MLP0950", "the key of the state is not there"),
    ("MLP0951", "nothing that is remembered is called so"),
    ("MLP0952", "an apply broke off and is not settled"),
    ("MLP0953", "another state is here already"),
    ("MLP0954", "a state cannot be rebuilt from what lives"),
    ("MLP0955", "the specification of an apply was not kept"),
    ("MLP0956", "a file would be overwritten that no apply kept"),
    ("MLP0957", "a state cannot be handed over"),
    ("MLP0958", "a state that can be read would be replaced"),
    ("MLP0959", "a plan file is encrypted and its key is not there"),
    ("MLP0960", "it is not said what image is to be built, or where it goes"),
    ("MLP0970", "a plan cannot be drawn"),
    ("MLP0971", "options of a plan that exclude each other"),
    ("MLP0972", "a saved plan takes no options of planning"),
];

/// Every code of every room with its title.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rooms: &[CodeList] = &[
        mlp_syntax::CODES,
        mlp_eval::CODES,
        mlp_config::CODES,
        mlp_platform::CODES,
        mlp_plan::CODES,
        mlp_state::CODES,
        mlp_apply::CODES,
        mlp_floor::codes::CODES,
        #[cfg(feature = "local")]
        mlp_local::CODES,
        image::CODES,
        kubernetes::CODES,
        CODES,
    ];
    let lists: Vec<CodeList> = rooms.to_vec();
    lists.into_iter().flatten().copied()
}
