package moto

import "net/http"

// removeRole returns NoSuchEntity where moto fails: if the profile, or the role in it,
// does not exist.
func removeRole(f *Front, r request) (answer, error) {
	a, err := f.pass(r)
	if err != nil || a.status != http.StatusInternalServerError {
		return a, err
	}
	return refusal(http.StatusNotFound, "text/xml",
		`<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>`+
			`<Message>The role is not in the instance profile.</Message></Error><RequestId>corrected</RequestId></ErrorResponse>`)
}
