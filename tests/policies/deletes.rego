# No data may be deleted by a plan, and not too much at once: the policies that are written for Terraform's plans.
package terraform.deletes

import future.keywords.contains
import future.keywords.if
import future.keywords.in

deny contains message if {
	some change in input.resource_changes
	change.type == "local_dataset"
	"delete" in change.change.actions
	message := sprintf("%s would be deleted", [change.address])
}

score := sum([weight |
	some change in input.resource_changes
	some action in change.change.actions
	weight := {"no-op": 0, "read": 0, "create": 1, "update": 2, "delete": 10, "forget": 5}[action]
])

authorized if {
	count(deny) == 0
	score < 20
}
