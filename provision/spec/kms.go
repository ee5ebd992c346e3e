package spec

import "strings"

// https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id-key-ARN
var (
	keyARN   = compile(`^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)
	aliasARN = compile(`^(arn:[^:]*:kms:[^:]*:[^:]*:)?alias/`)
)

const keyExample = `"arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"`

// checkKey refuses what is not the ARN of a key. An alias is no name of a key: it can be moved
// to another one while objects are encrypted with the first, no policy can be limited to the
// key behind it, and S3 looks for it in the account of whoever uploads.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html
func (d *decoder) checkKey(e *Environment) {
	switch {
	case !d.has(&e.KMSKey) || e.KMSKey == "" || keyARN.matches(e.KMSKey):
	case aliasARN.matches(e.KMSKey):
		d.bad(&e.KMSKey, "Alias of a key", "%s is an alias: it can be moved to another key, and no IAM policy can be limited to the key behind it. → use the ARN of the key (aws kms describe-key --key-id ALIAS), for example "+keyExample)
	default:
		d.bad(&e.KMSKey, "Invalid key", "%s is not the ARN of a KMS key. → use, for example, "+keyExample)
	}
}

// checkKeyPlace refuses a key of another region, which nothing here can use, and one of another
// account, whose policy flowbed could not read to check it.
func (d *decoder) checkKeyPlace(e *Environment, p Place) {
	if !d.has(&e.KMSKey) || !keyARN.matches(e.KMSKey) {
		return
	}
	f := strings.Split(e.KMSKey, ":")
	at, here := partition(f[3]), partition(p.Region)
	switch {
	case at != "" && at != f[1], p.Region != "" && here != "" && here != f[1]:
		d.bad(&e.KMSKey, "Key of another partition", "%s is not in the partition of this region. → use a key of this account and region")
	case p.Region != "" && f[3] != p.Region:
		d.bad(&e.KMSKey, "Key of another region", "%s is in %s, and the environment is in %s: services use only keys of their own region. → use a key of %[3]s", f[3], p.Region)
	case p.Account != "" && f[4] != p.Account:
		d.bad(&e.KMSKey, "Key of another account", "%s is in the account %s: flowbed cannot read the policy of such a key, so it could not tell what would break. → use a key of %s", f[4], p.Account)
	}
}
