package iam

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, putRolePolicy, boundedAccess)
	core.Register(service, getRolePolicy, roleAccess)
	core.Register(service, listRolePolicies, roleAccess)
	core.Register(service, deleteRolePolicy, boundedAccess)
	core.Register(service, attachRolePolicy, attachAccess)
	core.Register(service, detachRolePolicy, attachAccess)
	core.Register(service, listAttachedRolePolicies, roleAccess)
	core.Register(service, createPolicy, core.Anything)
	core.Register(service, getPolicy, policyAccess)
	core.Register(service, deletePolicy, policyAccess)
}

// awsPolicies lists the AWS managed policies that exist in the sandbox, by path and
// name.
var awsPolicies = strings.Fields(`
	AdministratorAccess AmazonAthenaFullAccess AmazonBedrockFullAccess AmazonDynamoDBFullAccess
	AmazonDynamoDBReadOnlyAccess AmazonEC2ContainerRegistryFullAccess AmazonEC2ContainerRegistryPowerUser
	AmazonEC2ContainerRegistryPullOnly AmazonEC2ContainerRegistryReadOnly AmazonEC2FullAccess
	AmazonEC2ReadOnlyAccess AmazonECS_FullAccess AmazonKinesisFullAccess AmazonRDSDataFullAccess
	AmazonRDSFullAccess AmazonRDSReadOnlyAccess AmazonRedshiftFullAccess AmazonRedshiftDataFullAccess
	AmazonS3FullAccess AmazonS3ReadOnlyAccess AmazonSESFullAccess AmazonSNSFullAccess AmazonSQSFullAccess
	AmazonSQSReadOnlyAccess AmazonSSMFullAccess AmazonSSMManagedInstanceCore AmazonSSMReadOnlyAccess
	AmazonSageMakerFullAccess AWSGlueConsoleFullAccess AWSLambda_FullAccess AWSStepFunctionsFullAccess
	AWSXRayDaemonWriteAccess CloudWatchAgentServerPolicy CloudWatchFullAccess CloudWatchLogsFullAccess
	CloudWatchLogsReadOnlyAccess CloudWatchReadOnlyAccess IAMReadOnlyAccess PowerUserAccess
	SecretsManagerReadWrite ReadOnlyAccess job-function/ViewOnlyAccess
	service-role/AmazonECSTaskExecutionRolePolicy service-role/AmazonEC2ContainerServiceforEC2Role
	service-role/AmazonEC2ContainerServiceEventsRole service-role/AmazonEC2ContainerServiceRole
	service-role/AWSGlueServiceRole service-role/AWSLambdaBasicExecutionRole`)

func (r *request) mustPolicy(arn string) (name string, err error) {
	if own := r.db().Policies[arn]; own != nil {
		return own.Name, nil
	}
	if name, ok := strings.CutPrefix(arn, "arn:"+r.Partition()+":iam::aws:policy/"); ok && slices.Contains(awsPolicies, name) {
		return name[strings.LastIndex(name, "/")+1:], nil
	}
	if !strings.HasPrefix(arn, "arn:") {
		return "", core.Fail("InvalidInput", "ARN %s is not valid.", arn)
	}
	return "", noEntity("Policy %s does not exist or is not attachable.", arn)
}

func putRolePolicy(r *request, in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	name, text := aws.ToString(in.PolicyName), aws.ToString(in.PolicyDocument)
	if err := checkName("policyName", in.PolicyName, 128); err != nil {
		return nil, err
	}
	if wrong := r.parsePolicy(text, core.IdentityPolicy); wrong != "" {
		return nil, &types.MalformedPolicyDocumentException{Message: &wrong}
	}
	size := sizeWithoutSpace(text)
	for n, d := range role.Inline {
		if n != name {
			size += sizeWithoutSpace(d)
		}
	}
	if size > mostInline {
		return nil, limitExceeded("Maximum policy size of %d bytes exceeded for role %s", mostInline, role.Name)
	}
	if role.Inline == nil {
		role.Inline = map[string]string{}
	}
	role.Inline[name] = text
	return &iam.PutRolePolicyOutput{}, nil
}

func getRolePolicy(r *request, in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
	role, err := r.db().mustRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.PolicyName)
	text, ok := role.Inline[name]
	if !ok {
		return nil, noEntity("The role policy with name %s cannot be found.", name)
	}
	return &iam.GetRolePolicyOutput{RoleName: aws.String(role.Name), PolicyName: &name, PolicyDocument: encoded(text)}, nil
}

func listRolePolicies(r *request, in *iam.ListRolePoliciesInput) (*iam.ListRolePoliciesOutput, error) {
	role, err := r.db().mustRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	list, next, err := core.Page(core.SortedKeys(role.Inline), in.Marker, in.MaxItems, 1000)
	if err != nil {
		return nil, err
	}
	return &iam.ListRolePoliciesOutput{PolicyNames: list, Marker: next, IsTruncated: next != nil}, nil
}

func deleteRolePolicy(r *request, in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.PolicyName)
	if _, ok := role.Inline[name]; !ok {
		return nil, noEntity("The role policy with name %s cannot be found.", name)
	}
	delete(role.Inline, name)
	return &iam.DeleteRolePolicyOutput{}, nil
}

func attachRolePolicy(r *request, in *iam.AttachRolePolicyInput) (*iam.AttachRolePolicyOutput, error) {
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	arn := aws.ToString(in.PolicyArn)
	if _, err := r.mustPolicy(arn); err != nil {
		return nil, err
	}
	if slices.Contains(role.Attached, arn) {
		return &iam.AttachRolePolicyOutput{}, nil
	}
	if len(role.Attached) >= mostAttachments {
		return nil, limitExceeded("Cannot exceed quota for PoliciesPerRole: %d", mostAttachments)
	}
	role.Attached = append(role.Attached, arn)
	return &iam.AttachRolePolicyOutput{}, nil
}

func detachRolePolicy(r *request, in *iam.DetachRolePolicyInput) (*iam.DetachRolePolicyOutput, error) {
	role, err := r.ownRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	arn := aws.ToString(in.PolicyArn)
	i := slices.Index(role.Attached, arn)
	if i < 0 {
		return nil, noEntity("Policy %s was not found.", arn)
	}
	role.Attached = slices.Delete(slices.Clone(role.Attached), i, i+1)
	return &iam.DetachRolePolicyOutput{}, nil
}

func listAttachedRolePolicies(r *request, in *iam.ListAttachedRolePoliciesInput) (*iam.ListAttachedRolePoliciesOutput, error) {
	role, err := r.db().mustRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	var all []types.AttachedPolicy
	for _, arn := range role.Attached {
		name, err := r.mustPolicy(arn)
		if err != nil {
			return nil, err
		}
		all = append(all, types.AttachedPolicy{PolicyArn: aws.String(arn), PolicyName: aws.String(name)})
	}
	list, next, err := core.Page(all, in.Marker, in.MaxItems, 1000)
	if err != nil {
		return nil, err
	}
	return &iam.ListAttachedRolePoliciesOutput{AttachedPolicies: list, Marker: next, IsTruncated: next != nil}, nil
}

func createPolicy(r *request, in *iam.CreatePolicyInput) (*iam.CreatePolicyOutput, error) {
	name, text := aws.ToString(in.PolicyName), aws.ToString(in.PolicyDocument)
	if err := checkName("policyName", in.PolicyName, 128); err != nil {
		return nil, err
	}
	path, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	if wrong := r.parsePolicy(text, core.IdentityPolicy); wrong != "" {
		return nil, &types.MalformedPolicyDocumentException{Message: &wrong}
	}
	if sizeWithoutSpace(text) > mostManaged {
		return nil, limitExceeded("Cannot exceed quota for PolicySize: %d", mostManaged)
	}
	t, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	for _, p := range r.db().Policies {
		if strings.EqualFold(p.Name, name) {
			return nil, entityExists("A policy called %s already exists. Duplicate names are not allowed.", name)
		}
	}
	if r.db().Policies == nil {
		r.db().Policies = map[string]*policy{}
	}
	p := &policy{Name: name, ARN: r.ARN("iam", "", "policy"+path+name), ID: r.UniqueID("ANPA"), Document: text, Tags: t, Created: r.Now.UTC()}
	r.db().Policies[p.ARN] = p
	return &iam.CreatePolicyOutput{Policy: r.policyOut(p)}, nil
}

func (r *request) policyOut(p *policy) *types.Policy {
	return &types.Policy{
		PolicyName: aws.String(p.Name), Arn: aws.String(p.ARN), PolicyId: aws.String(p.ID), CreateDate: aws.Time(p.Created),
		IsAttachable: true, AttachmentCount: aws.Int32(r.attachments(p.ARN)), DefaultVersionId: aws.String(firstVersion), Tags: tagList(p.Tags),
	}
}

func (r *request) attachments(arn string) (n int32) {
	for _, role := range r.db().Roles {
		if slices.Contains(role.Attached, arn) {
			n++
		}
	}
	return n
}

func getPolicy(r *request, in *iam.GetPolicyInput) (*iam.GetPolicyOutput, error) {
	arn := aws.ToString(in.PolicyArn)
	if own := r.db().Policies[arn]; own != nil {
		return &iam.GetPolicyOutput{Policy: r.policyOut(own)}, nil
	}
	name, err := r.mustPolicy(arn)
	if err != nil {
		return nil, err
	}
	return &iam.GetPolicyOutput{Policy: &types.Policy{
		PolicyName: &name, Arn: &arn, IsAttachable: true, AttachmentCount: aws.Int32(r.attachments(arn)), DefaultVersionId: aws.String(firstVersion),
	}}, nil
}

func deletePolicy(r *request, in *iam.DeletePolicyInput) (*iam.DeletePolicyOutput, error) {
	arn := aws.ToString(in.PolicyArn)
	if r.db().Policies[arn] == nil {
		return nil, noEntity("Policy %s was not found.", arn)
	}
	if r.attachments(arn) > 0 || r.bounds(arn) {
		return nil, deleteConflict("Cannot delete a policy attached to entities.")
	}
	delete(r.db().Policies, arn)
	return &iam.DeletePolicyOutput{}, nil
}
