"""From a file to a specification that may be built: syntax, MatchSpecs and policy, every problem in one answer."""

from __future__ import annotations

from conda_store.environment_yaml import read_draft
from conda_store.errors import SpecificationInvalid
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.matchspecs import check_dependencies
from conda_store.packages.policy import ANY_PACKAGE, PackagePolicy
from conda_store.specification import DEFAULT_LIMITS, ParsedSpecification, SpecificationLimits, finish


def read_specification(
    source: bytes | str,
    policy: ChannelPolicy,
    *,
    default_name: str | None = None,
    limits: SpecificationLimits = DEFAULT_LIMITS,
    packages: PackagePolicy = ANY_PACKAGE,
) -> ParsedSpecification:
    """Read an `environment.yaml` under a policy; what `limits` say of pip sections gives way to the policy.

    What `packages` adds is counted and not added. Raises SpecificationInvalid with all problems in the order of the
    file, else those of what it lacks.
    """
    draft = read_draft(source, default_name=default_name, limits=policy.limits(limits))
    faults = [*check_dependencies(draft.entries), *policy.check(draft.entries), *packages.check_entries(draft.entries)]
    parsed = finish(draft, faults)
    if lacking := packages.check_asked(packages.completed(parsed.specification)):
        raise SpecificationInvalid(lacking)
    return parsed
