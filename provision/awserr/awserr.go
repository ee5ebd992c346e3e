// Package awserr says what an error of AWS means: whether to look again, who is
// to blame, and what a person can do about it. A code means something only
// together with its operation (LimitExceeded is a quota for CreateRole, but "has
// a role already" for AddRoleToInstanceProfile), so both are looked at. What is
// in no table is Unknown, and ends a step.
package awserr

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
)

// Class is what an error means for the run.
type Class int

const (
	// Unknown errors are not retried.
	Unknown Class = iota
	// Absent means that the object, or one that it needs, does not exist or is not visible yet.
	Absent
	// Conflict means that the object is not in the state that was assumed; look again.
	Conflict
	// Transient means that the same call may succeed later.
	Transient
	// Denied means that a permission is missing.
	Denied
	// Credentials means that there are none, or that they are expired or wrong.
	Credentials
	// Quota means that a limit of the account is reached.
	Quota
	// Capacity means that it is not to be had in this zone at present.
	Capacity
	// Invalid means that the request can never succeed.
	Invalid
)

// codes holds what a code means whatever the operation.
var codes = map[string]Class{}

func init() {
	for class, list := range map[Class]string{
		Absent: `NoSuchEntity NoSuchBucket NoSuchKey NoSuchTagSet NoSuchBucketPolicy NoSuchLifecycleConfiguration
			NoSuchPublicAccessBlockConfiguration ServerSideEncryptionConfigurationNotFoundError NoSuchUpload
			OwnershipControlsNotFoundError NotFound ClusterNotFoundException ParameterNotFound
			ResourceNotFoundException InvalidResourceId InvalidInstanceID.NotFound InvalidGroup.NotFound InvalidGroupId.NotFound
			InvalidKeyPair.NotFound InvalidPermission.NotFound InvalidSubnetID.NotFound
			InvalidVpcID.NotFound InvalidNetworkInterfaceID.NotFound InvalidAssociationID.NotFound`,
		Conflict: `EntityAlreadyExists BucketAlreadyOwnedByYou InvalidGroup.Duplicate InvalidPermission.Duplicate
			InvalidKeyPair.Duplicate ResourceAlreadyExistsException ParameterAlreadyExists ConcurrentModification
			EntityTemporarilyUnmodifiable IncorrectInstanceState IncorrectState UpdateInProgressException
			OperationAborted OperationAbortedException ConditionalRequestConflict`,
		Transient: `DeleteConflict DependencyViolation InvalidGroup.InUse ServiceFailure InternalError InternalFailure
			InternalServerError ServerException ServiceUnavailable ServiceUnavailableException Unavailable
			RequestTimeout Throttling ThrottlingException RequestLimitExceeded RequestThrottled SlowDown
			TooManyRequestsException TooManyUpdates EC2ThrottledException
			ClusterContainsTasksException ClusterContainsContainerInstancesException ResourceInUseException`,
		Denied: `AccessDenied AccessDeniedException UnauthorizedOperation Client.UnauthorizedOperation
			AllAccessDisabled UnknownOperationException`,
		Credentials: `ExpiredToken ExpiredTokenException RequestExpired InvalidClientTokenId
			UnrecognizedClientException AuthFailure SignatureDoesNotMatch InvalidAccessKeyId
			RequestTimeTooSkewed IncompleteSignature MissingAuthenticationToken MissingAuthenticationTokenException OptInRequired`,
		Quota: `LimitExceeded LimitExceededException TooManyBuckets VcpuLimitExceeded InstanceLimitExceeded
			SecurityGroupLimitExceeded RulesPerSecurityGroupLimitExceeded ParameterLimitExceeded`,
		Capacity: `InsufficientInstanceCapacity Unsupported InsufficientFreeAddressesInSubnet`,
		Invalid: `ValidationError ValidationException InvalidInput InvalidParameterValue InvalidParameterException
			InvalidParameterCombination MalformedPolicyDocument MalformedPolicy InvalidBucketName
			InvalidAMIID.NotFound InvalidAMIID.Malformed InvalidAMIID.Unavailable
			BucketAlreadyExists InvalidUserData.Malformed VPCIdNotSpecified MissingInput ClientException`,
	} {
		for _, c := range strings.Fields(list) {
			codes[c] = class
		}
	}
}

// rule refines a code by its operation and, where AWS has one code for several
// things, by a part of its message.
type rule struct {
	operation, code, message string
	class                    Class
	hint                     string // in place of the code's; may be empty
}

var rules = []rule{
	// The profile has its one role already: ours, after a lost reply.
	{"AddRoleToInstanceProfile", "LimitExceeded", "", Conflict, ""},
	// EC2 learns of an instance profile seconds after IAM.
	{"RunInstances", "InvalidParameterValue", "Invalid IAM Instance Profile", Transient, ""},
	{"RunInstances", "InvalidParameterValue", "has no associated IAM Roles", Transient, ""},
	{"AssociateIamInstanceProfile", "InvalidParameterValue", "Invalid IAM Instance Profile", Transient, ""},
	{"AssociateIamInstanceProfile", "InvalidParameterValue", "has no associated IAM Roles", Transient, ""},
	{"ReplaceIamInstanceProfileAssociation", "InvalidParameterValue", "Invalid IAM Instance Profile", Transient, ""},
	{"ReplaceIamInstanceProfileAssociation", "InvalidParameterValue", "has no associated IAM Roles", Transient, ""},
	// The first cluster of an account races with the creation of its service-linked role.
	{"CreateCluster", "InvalidParameterException", "service linked role", Transient, ""},
	{"PutClusterCapacityProviders", "InvalidParameterException", "service linked role", Transient, ""},
	// A principal that IAM does not know yet.
	{"", "MalformedPolicyDocument", "Invalid principal", Transient, ""},
	{"", "MalformedPolicy", "Invalid principal", Transient, ""},
	// A role that ECS cannot assume yet.
	{"", "ClientException", "unable to assume the role", Transient, ""},
	// The service-linked role is there already.
	{"CreateServiceLinkedRole", "InvalidInput", "has been taken", Conflict, ""},
	{"PutParameter", "ParameterMaxVersionLimitExceeded", "", Quota, ""},
	// The credentials are in order, the image is somebody else's.
	{"", "AuthFailure", "Not authorized for images", Invalid,
		"the image is not for this account: choose another agent.image, or let its owner share it"},
	// This limit is fixed: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
	{"PutRolePolicy", "LimitExceeded", "policy size", Invalid,
		"the inline policies of a role have room for 10,240 characters: write fewer statement blocks in task_role, or put them into a managed policy (policies = [...])"},
}

// Classify says what err means.
func Classify(err error) Class {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Unknown
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return classifyOther(err)
	}
	if r, ok := ruleFor(err, api); ok {
		return r.class
	}
	return codes[api.ErrorCode()]
}

func ruleFor(err error, api smithy.APIError) (rule, bool) {
	op, code := Operation(err), api.ErrorCode()
	i := slices.IndexFunc(rules, func(r rule) bool {
		return (r.operation == "" || r.operation == op) && r.code == code && strings.Contains(api.ErrorMessage(), r.message)
	})
	if i < 0 {
		return rule{}, false
	}
	return rules[i], true
}

// classifyOther judges what never became a reply of AWS.
func classifyOther(err error) Class {
	if strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "no EC2 IMDS role found") ||
		strings.Contains(err.Error(), "failed to refresh cached credentials") {
		return Credentials
	}
	if ofNetwork(err) && !unknownHost(err) {
		return Transient
	}
	return Unknown
}

// Retry reports whether to look again: the state may be another by now.
func Retry(err error) bool {
	switch Classify(err) {
	case Absent, Conflict, Transient:
		return true
	}
	return false
}

// Fatal reports whether no other call can succeed either.
func Fatal(err error) bool { return Classify(err) == Credentials }

// Gone turns "does not exist" into success, which is what it is for a deletion.
func Gone(err error) error {
	if Classify(err) == Absent {
		return nil
	}
	return err
}

// Code is AWS's code of the error, or empty.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// Operation is the name of the call that failed, or empty.
func Operation(err error) string {
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		return op.OperationName
	}
	return ""
}

// Service is the service of the call that failed, or empty.
func Service(err error) string {
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		return op.ServiceID
	}
	return ""
}
