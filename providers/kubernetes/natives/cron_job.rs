//! `kubernetes_cron_job`.

use super::{Form, Member, Native, nothing};

pub(super) const NATIVE: Native = Native {
    word: "cron_job",
    doc: "Work that is started by a schedule, or by `mlp run`.",
    api: "batch/v1",
    kind: "CronJob",
    plural: "cronjobs",
    form: Form::Fields,
    stateful: false,
    members: &[
        Member::new("spec.schedule", "When it starts, in the five fields of cron.").required(),
        Member::new("spec.timeZone", "The time zone of the schedule."),
        Member::new("spec.suspend", "Whether the schedule rests."),
        Member::new("spec.concurrencyPolicy", "What happens when the last run has not ended."),
        Member::new("spec.startingDeadlineSeconds", "How late a run may start."),
        Member::new("spec.successfulJobsHistoryLimit", "How many runs that ended well are kept."),
        Member::new("spec.failedJobsHistoryLimit", "How many runs that failed are kept."),
        Member::new("spec.jobTemplate", "The work.").required(),
    ],
    health: None,
    tells: nothing,
};
