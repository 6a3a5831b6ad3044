"""IAM and STS: the wiring. Two services, one store of who is who."""

from __future__ import annotations

from outcrop.services.contract import Deps, Service
from outcrop.services.iam.account import Account
from outcrop.services.iam.errors import IamHooks, StsHooks
from outcrop.services.iam.grants import GroupPolicies, RolePolicies, UserPolicies
from outcrop.services.iam.groups import Groups
from outcrop.services.iam.instance_profiles import InstanceProfiles
from outcrop.services.iam.keys import AccessKeys
from outcrop.services.iam.policies import Policies, PolicyVersions
from outcrop.services.iam.roles import Roles
from outcrop.services.iam.service_credentials import ServiceCredentials
from outcrop.services.iam.service_roles import ServiceLinkedRoles
from outcrop.services.iam.sessions import Sessions
from outcrop.services.iam.store import IamStore
from outcrop.services.iam.tags import Tags
from outcrop.services.iam.users import LoginProfiles, Users


def services(deps: Deps) -> tuple[Service, ...]:
    store = IamStore(deps.database("iam"))
    return (
        Service(
            "iam",
            Roles(store),
            RolePolicies(store),
            InstanceProfiles(store),
            ServiceLinkedRoles(store),
            Users(store),
            UserPolicies(store),
            LoginProfiles(store),
            AccessKeys(store),
            ServiceCredentials(store),
            Groups(store),
            GroupPolicies(store),
            Policies(store),
            PolicyVersions(store),
            Tags(store),
            Account(store),
            hooks=IamHooks(),
        ),
        Service("sts", Sessions(store, deps.settings.strict), hooks=StsHooks()),
    )
