package resource

import "github.com/flowbed/flowbed/provision/awserr"

// The errors of calls for an instance, its image, its network interfaces and its profile
// associations.
var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:   `InvalidInstanceID.NotFound InvalidNetworkInterfaceID.NotFound InvalidAssociationID.NotFound`,
		awserr.Conflict: `IncorrectInstanceState IncorrectState`,
		awserr.Quota:    `VcpuLimitExceeded InstanceLimitExceeded`,
		awserr.Capacity: `InsufficientInstanceCapacity Unsupported InsufficientFreeAddressesInSubnet`,
		awserr.Invalid:  `InvalidAMIID.NotFound InvalidAMIID.Malformed InvalidAMIID.Unavailable InvalidUserData.Malformed`,
	},
	Rules: append(profileUnseen("RunInstances", "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation"),
		// The credentials are valid, but the image belongs to somebody else.
		awserr.Rule{Code: "AuthFailure", Message: "Not authorized for images", Class: awserr.Invalid,
			Hint: "this account may not use the AMI: choose another agent.image, or ask its owner to share it"},
	),
	Hints: map[string]string{
		"InvalidAMIID.NotFound":     "the account has no access to this AMI in this region: every region has its own AMI ids; correct agent.image",
		"InvalidAMIID.Unavailable":  "the AMI is no longer available: choose another agent.image",
		"InvalidBlockDeviceMapping": "the AMI needs a larger volume: increase agent.volume_gib",
		"OperationNotPermitted":     "somebody turned on protection for the instance: turn it off (aws ec2 modify-instance-attribute --instance-id i-… --no-disable-api-termination, or --no-disable-api-stop) and run the same command",
		"VcpuLimitExceeded":         "the account is at its vCPU quota for this instance family: terminate an instance, set a smaller agent.instance_type, or " + raise("ec2", "L-1216C47A") + ", which is that of standard types such as t3 and m7i",
		"InstanceLimitExceeded":     "the account is at its instance quota: terminate an instance, or request an increase (Service Quotas, EC2)",
	},
})

// profileUnseen returns rules for the calls that give an instance its profile: EC2 sees a
// new instance profile, and its role, only seconds later.
func profileUnseen(operations ...string) (rules []awserr.Rule) {
	for _, op := range operations {
		for _, message := range []string{"Invalid IAM Instance Profile", "has no associated IAM Roles"} {
			rules = append(rules, awserr.Rule{Operation: op, Code: "InvalidParameterValue", Message: message, Class: awserr.Transient})
		}
	}
	return rules
}
