"""Runs moto on a free port until its standard input ends, so that it never
outlives the process that started it, however that one ends.

What moto's answers lack is supplied by the front, over HTTP; here stand the few
rules of AWS that only the objects themselves can keep."""

import json
import os
import sys
import threading
from types import SimpleNamespace

from moto.ec2.models.iam_instance_profile import (
    IamInstanceProfileAssociation,
    IamInstanceProfileAssociationBackend,
)
from moto.ec2.models.instances import Instance
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.responses.vpcs import VPCs
from moto.ecs.models import Container, EC2ContainerServiceBackend
from moto.events.models import Rule
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse
from moto.moto_api import state_manager
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend
from moto.server import main
from moto.sqs import sqs_backends


def guard():
    sys.stdin.read()
    os._exit(0)


def groups(instance):
    """An instance is in the groups of its first interface; moto keeps two lists."""
    nic = getattr(instance, "nics", {}).get(0)
    return nic._group_set if nic else instance.__dict__.get("groups", [])


def set_groups(instance, wanted):
    nic = getattr(instance, "nics", {}).get(0)
    if nic:
        nic._group_set = wanted
    instance.__dict__["groups"] = wanted


Instance.security_groups = property(groups, set_groups)


def show_profile(association):
    """An instance shows its profile's own id; moto shows the association's, and
    shows nothing of a replacement."""
    profile = association.iam_instance_profile
    association.ec2_backend.modify_instance_attribute(
        association.instance_id, "iam_instance_profile", {"Arn": profile.arn, "Id": profile.id}
    )


def shown(f):
    def g(self, *args, **kwargs):
        result = f(self, *args, **kwargs)
        show_profile(result or self)
        return result

    return g


IamInstanceProfileAssociation.__init__ = shown(IamInstanceProfileAssociation.__init__)
IamInstanceProfileAssociationBackend.replace_iam_instance_profile_association = shown(
    IamInstanceProfileAssociationBackend.replace_iam_instance_profile_association
)

create_nat_gateway = NatGatewayBackend.create_nat_gateway
delete_nat_gateway = NatGatewayBackend.delete_nat_gateway


def create_gateway_and_interface(self, *args, **kwargs):
    """The interface of a gateway says what it is."""
    gateway = create_nat_gateway(self, *args, **kwargs)
    gateway._eni.description = "Interface for NAT Gateway " + gateway.id
    return gateway


def delete_gateway_and_interface(self, nat_gateway_id):
    """A deleted gateway gives back its addresses, and its interface goes with it."""
    gateway = delete_nat_gateway(self, nat_gateway_id)
    for address in gateway.address_set:
        self.disassociate_address(association_id=address.get("associationId"))
    if gateway._eni.id in self.enis:
        self.delete_network_interface(gateway._eni.id)
    return gateway


NatGatewayBackend.create_nat_gateway = create_gateway_and_interface
NatGatewayBackend.delete_nat_gateway = delete_gateway_and_interface

modify_vpc_endpoint = VPCs.modify_vpc_endpoint


def modify_endpoint_and_name(self):
    """An endpoint takes the place of a service's name, or does not any more; moto only
    keeps what the creation said."""
    wanted = self._get_bool_param("PrivateDnsEnabled")
    if wanted is not None:
        endpoint_id = self._get_param("VpcEndpointId")
        self.ec2_backend.describe_vpc_endpoints([endpoint_id])[0].private_dns_enabled = wanted
    return modify_vpc_endpoint(self)


VPCs.modify_vpc_endpoint = modify_endpoint_and_name


def log_group(response):
    group = response.logs_backend.groups.get(response._get_param("logGroupName"))
    if group is None:
        raise ResourceNotFoundException()
    return group


def associate_kms_key(self):
    """A log group can get another key; moto knows only the one of its creation. Both
    calls have an empty reply."""
    log_group(self).kms_key_id = self._get_param("kmsKeyId")
    return ""


def disassociate_kms_key(self):
    log_group(self).kms_key_id = None
    return ""


LogsResponse.associate_kms_key = associate_kms_key
LogsResponse.disassociate_kms_key = disassociate_kms_key

# The index of tags looks for SES identities, of which no test has any, and so fails in a
# region that has no SES.
ResourceGroupsTaggingAPIBackend.sesv2_backend = None

requirements = EC2ContainerServiceBackend._calculate_task_resource_requirements


def requirements_of_all(definition):
    """On Fargate the memory stands in the definition, and not in its containers."""
    containers = [{"memory": 0, **c} for c in definition.container_definitions]
    return requirements(SimpleNamespace(container_definitions=containers))


EC2ContainerServiceBackend._calculate_task_resource_requirements = staticmethod(requirements_of_all)

contain = Container.__init__


def contain_text(container, definition):
    """What a container has of processor and memory is told as text."""
    contain(container, definition)
    if container.cpu is not None:
        container.cpu = str(container.cpu)
    if container.memory is not None:
        container.memory = str(container.memory)


Container.__init__ = contain_text

permitted = IAMPolicyStatement.is_action_permitted


def permitted_if_it_applies(statement, *args, **kwargs):
    """moto ignores conditions. Its HTTP stands for AWS's HTTPS, so a statement about
    HTTP applies to no call."""
    if statement._statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}:
        return PermissionResult.NEUTRAL
    return permitted(statement, *args, **kwargs)


IAMPolicyStatement.is_action_permitted = permitted_if_it_applies

send = Rule._send_to_sqs_queue


def texts(value):
    return [value] if isinstance(value, str) else value or []


def may_send(rule, policy, queue_arn):
    """Whether a queue's policy lets a rule send events to it. An event that it refuses
    is lost. A statement with another condition than the rule's ARN allows nothing."""
    for statement in json.loads(policy or "{}").get("Statement", []):
        condition = statement.get("Condition", {"ArnEquals": {"aws:SourceArn": rule.arn}})
        if (
            statement["Effect"] == "Allow"
            and statement["Principal"] == {"Service": "events.amazonaws.com"}
            and "sqs:SendMessage" in texts(statement["Action"])
            and queue_arn in texts(statement["Resource"])
            and list(condition) == ["ArnEquals"]
            and list(condition["ArnEquals"]) == ["aws:SourceArn"]
            and rule.arn in texts(condition["ArnEquals"]["aws:SourceArn"])
        ):
            return True
    return False


def send_as_allowed(rule, resource_id, event, group_id=None):
    queue = sqs_backends[rule.account_id][rule.region_name].queues.get(resource_id)
    if queue and may_send(rule, queue.policy, queue.queue_arn):
        send(rule, resource_id, event, group_id)


Rule._send_to_sqs_queue = send_as_allowed

# A task runs until somebody stops it. moto's ends after a few looks at it.
state_manager.set_transition("ecs::task", {"progression": "manual", "times": sys.maxsize})

threading.Thread(target=guard, daemon=True).start()
main(["-H", "127.0.0.1", "-p", "0"])
