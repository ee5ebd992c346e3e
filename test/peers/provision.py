# What `prefect work-pool create --type ecs:push --provision-infra` runs. The command itself asks a
# server on the internet for the types of work pools, so it is not what is measured.
import asyncio
import os

from prefect.infrastructure import provisioners

names = ("aws_credentials", "cluster", "execution_role_arn", "vpc_id")
template = {"variables": {"properties": {name: {} for name in names}}}
provisioner = provisioners.get_infrastructure_provisioner_for_work_pool_type("ecs:push")
print(asyncio.run(provisioner.provision(work_pool_name="bench-" + os.environ["PEER_LIFE"], base_job_template=template)))
