# Every dataset of the environment has an owner, changed or not, as it will be.
package terraform.quality

import future.keywords.contains
import future.keywords.if
import future.keywords.in

deny contains message if {
	some resource in input.planned_values.root_module.resources
	resource.kind == "dataset"
	not resource.values.owner
	message := sprintf("%s has no owner", [resource.address])
}
