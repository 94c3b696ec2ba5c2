//! Operators that people use and how each is installed, for whoever asks a cluster for a kind that it does not serve.
//! Source: the installation page of each.

/// What serves the kinds of a group.
#[derive(Debug)]
pub(crate) struct Operator {
    /// The group of its kinds.
    pub group: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How it is installed; `VERSION` is a release of it.
    pub install: &'static str,
}

/// In the order of their groups.
const OPERATORS: &[Operator] = &[
    Operator {
        group: "argoproj.io",
        name: "Argo Workflows",
        install: "kubectl create namespace argo && kubectl apply --server-side -n argo -f https://github.com/argoproj/argo-workflows/releases/download/VERSION/install.yaml",
    },
    Operator {
        group: "jobset.x-k8s.io",
        name: "JobSet",
        install: "kubectl apply --server-side -f https://github.com/kubernetes-sigs/jobset/releases/download/VERSION/manifests.yaml",
    },
    Operator {
        group: "kueue.x-k8s.io",
        name: "Kueue",
        install: "kubectl apply --server-side -f https://github.com/kubernetes-sigs/kueue/releases/download/VERSION/manifests.yaml",
    },
    Operator {
        group: "monitoring.coreos.com",
        name: "the Prometheus operator",
        install: "kubectl create -f https://github.com/prometheus-operator/prometheus-operator/releases/download/VERSION/bundle.yaml",
    },
    Operator {
        group: "ray.io",
        name: "KubeRay",
        install: "helm install kuberay-operator kuberay-operator --repo https://ray-project.github.io/kuberay-helm/ --version VERSION",
    },
    Operator {
        group: "serving.kserve.io",
        name: "KServe",
        install: "kubectl apply --server-side -f https://github.com/kserve/kserve/releases/download/VERSION/kserve.yaml",
    },
    Operator {
        group: "sparkoperator.k8s.io",
        name: "the Spark operator",
        install: "helm install spark-operator spark-operator --repo https://kubeflow.github.io/spark-operator --version VERSION --namespace spark-operator --create-namespace",
    },
    Operator {
        group: "trainer.kubeflow.org",
        name: "Kubeflow Trainer",
        install: "kubectl apply --server-side -k \"https://github.com/kubeflow/trainer.git/manifests/overlays/manager?ref=VERSION\"",
    },
];

/// The operator that serves a group.
pub(crate) fn operator(group: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|operator| operator.group == group)
}

/// Kinds that lie in no namespace, for what is written without asking a cluster: those of Kubernetes itself and of the operators
/// above. Source: `kubectl api-resources --namespaced=false`.
const CLUSTER_WIDE: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("argoproj.io", "ClusterWorkflowTemplate"),
    ("kueue.x-k8s.io", "AdmissionCheck"),
    ("kueue.x-k8s.io", "ClusterQueue"),
    ("kueue.x-k8s.io", "Cohort"),
    ("kueue.x-k8s.io", "ResourceFlavor"),
    ("kueue.x-k8s.io", "Topology"),
    ("kueue.x-k8s.io", "WorkloadPriorityClass"),
    ("networking.k8s.io", "IngressClass"),
    ("node.k8s.io", "RuntimeClass"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("serving.kserve.io", "ClusterServingRuntime"),
    ("serving.kserve.io", "ClusterStorageContainer"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "StorageClass"),
    ("trainer.kubeflow.org", "ClusterTrainingRuntime"),
];

/// Whether objects of a kind are known to lie in a namespace, as far as that can be told without a cluster.
pub(crate) fn namespaced(group: &str, kind: &str) -> bool {
    !CLUSTER_WIDE.contains(&(group, kind))
}

/// How a kind is called in addresses and roles: the rule by which kinds are named everywhere, also by the tools that make them.
/// Source: `UnsafeGuessKindToResource` of k8s.io/apimachinery.
pub(crate) fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.strip_suffix('y') {
        _ if lower == "endpoints" => lower,
        Some(stem) if !lower.ends_with("ay") && !lower.ends_with("ey") && !lower.ends_with("oy") => {
            format!("{stem}ies")
        }
        _ if lower.ends_with('s') => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_in_order_and_says_where_its_releases_come_from() {
        assert!(OPERATORS.is_sorted_by_key(|operator| operator.group));
        assert!(CLUSTER_WIDE.is_sorted());
        assert!(OPERATORS.iter().all(|operator| operator.install.contains("VERSION")));
        assert_eq!(operator("ray.io").map(|operator| operator.name), Some("KubeRay"));
    }

    #[test]
    fn kinds_are_called_as_they_are() {
        for (kind, wanted) in [
            ("TrainJob", "trainjobs"),
            ("NetworkPolicy", "networkpolicies"),
            ("WorkloadPriorityClass", "workloadpriorityclasses"),
            ("Topology", "topologies"),
            ("Gateway", "gateways"),
            ("Ingress", "ingresses"),
        ] {
            assert_eq!(plural(kind), wanted);
        }
        assert!(!namespaced("kueue.x-k8s.io", "ClusterQueue") && namespaced("kueue.x-k8s.io", "LocalQueue"));
    }
}
