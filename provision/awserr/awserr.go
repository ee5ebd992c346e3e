// Package awserr tells what an error from AWS means: whether to retry, what is wrong,
// and what the user can do. The meaning of a code depends on the operation:
// LimitExceeded is a quota for CreateRole, but means "already has a role" for
// AddRoleToInstanceProfile. An error that is in no table is Unknown and ends a step.
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
	// Absent means that the object, or an object it needs, does not exist or is not visible yet.
	Absent
	// Conflict means that the object is not in the expected state: read it again.
	Conflict
	// Transient means that the same call may succeed later.
	Transient
	// Denied means that a permission is missing.
	Denied
	// Credentials means that the credentials are missing, expired or wrong.
	Credentials
	// Quota means that the account is at a quota.
	Quota
	// Capacity means that AWS has no capacity in this zone right now.
	Capacity
	// Invalid means that the request can never succeed.
	Invalid
)

// codes holds the class of each code, for any operation.
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

// rule overrides the class of a code for an operation and, if AWS uses one code for
// several problems, for a part of its message.
type rule struct {
	operation, code, message string
	class                    Class
	hint                     string // overrides the code's hint; may be empty
}

var rules = []rule{
	// The profile already has its one role, because the reply to an earlier call was lost.
	{"AddRoleToInstanceProfile", "LimitExceeded", "", Conflict, ""},
	// EC2 learns of an instance profile seconds after IAM.
	{"RunInstances", "InvalidParameterValue", "Invalid IAM Instance Profile", Transient, ""},
	{"RunInstances", "InvalidParameterValue", "has no associated IAM Roles", Transient, ""},
	{"AssociateIamInstanceProfile", "InvalidParameterValue", "Invalid IAM Instance Profile", Transient, ""},
	{"AssociateIamInstanceProfile", "InvalidParameterValue", "has no associated IAM Roles", Transient, ""},
	{"ReplaceIamInstanceProfileAssociation", "InvalidParameterValue", "Invalid IAM Instance Profile", Transient, ""},
	{"ReplaceIamInstanceProfileAssociation", "InvalidParameterValue", "has no associated IAM Roles", Transient, ""},
	// For the first cluster of an account, ECS may still be creating its service-linked role.
	{"CreateCluster", "InvalidParameterException", "service linked role", Transient, ""},
	{"PutClusterCapacityProviders", "InvalidParameterException", "service linked role", Transient, ""},
	// IAM does not know the principal yet.
	{"", "MalformedPolicyDocument", "Invalid principal", Transient, ""},
	{"", "MalformedPolicy", "Invalid principal", Transient, ""},
	// ECS cannot assume the role yet.
	{"", "ClientException", "unable to assume the role", Transient, ""},
	// The service-linked role already exists.
	{"CreateServiceLinkedRole", "InvalidInput", "has been taken", Conflict, ""},
	{"PutParameter", "ParameterMaxVersionLimitExceeded", "", Quota, ""},
	// The credentials are valid, but the image belongs to somebody else.
	{"", "AuthFailure", "Not authorized for images", Invalid,
		"this account may not use the AMI: choose another agent.image, or ask its owner to share it"},
	// This limit is fixed: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
	{"PutRolePolicy", "LimitExceeded", "policy size", Invalid,
		"a role's inline policies can have 10,240 characters in total: use fewer statement blocks in task_role, or move them to a managed policy (policies = [...])"},
}

// Classify returns what err means.
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

// classifyOther classifies errors that are not a reply from AWS.
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

// Retry reports whether to read the object again, because its state may change.
func Retry(err error) bool {
	switch Classify(err) {
	case Absent, Conflict, Transient:
		return true
	}
	return false
}

// Fatal reports whether every other call will fail, too.
func Fatal(err error) bool { return Classify(err) == Credentials }

// Gone turns "does not exist" into success, for deletions.
func Gone(err error) error {
	if Classify(err) == Absent {
		return nil
	}
	return err
}

// Code is the error code from AWS, or empty.
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
