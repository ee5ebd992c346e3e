package moto

import "encoding/json"

// writeParameter names the key of Systems Manager where the call names none: AWS encrypts each
// version with the key of its call, and moto keeps that of the version before.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
func writeParameter(f *Front, r request) (answer, error) {
	var in map[string]any
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, err
	}
	if in["KeyId"] != nil || in["Type"] != "SecureString" {
		return f.pass(r)
	}
	in["KeyId"] = "alias/aws/ssm"
	return f.other(r, r.Header.Get("X-Amz-Target"), in)
}
