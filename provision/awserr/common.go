package awserr

// known begins with the errors that have the same meaning in all services.
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
var known = newTable(Errors{
	Codes: Codes{
		Transient: `ServiceFailure InternalError InternalFailure InternalServerError ServerException ServiceUnavailable
			ServiceUnavailableException Unavailable RequestTimeout Throttling ThrottlingException RequestLimitExceeded
			RequestThrottled SlowDown TooManyRequestsException EC2ThrottledException`,
		Denied: `AccessDenied AccessDeniedException UnauthorizedOperation Client.UnauthorizedOperation
			AllAccessDisabled UnknownOperationException`,
		Credentials: `ExpiredToken ExpiredTokenException RequestExpired InvalidClientTokenId
			UnrecognizedClientException AuthFailure SignatureDoesNotMatch InvalidAccessKeyId
			RequestTimeTooSkewed IncompleteSignature MissingAuthenticationToken MissingAuthenticationTokenException OptInRequired`,
		Quota: `LimitExceeded LimitExceededException`,
		Invalid: `ValidationError ValidationException InvalidInput InvalidParameterValue InvalidParameterException
			InvalidParameterCombination MissingInput`,
	},
	Hints: map[string]string{
		"ExpiredToken":                expired,
		"ExpiredTokenException":       expired,
		"RequestExpired":              "the credentials have expired, or this machine's clock is wrong: log in again and run the same command",
		"InvalidClientTokenId":        "AWS does not know this access key: check the profile; if this is an opt-in region, check that it is enabled in the account",
		"UnrecognizedClientException": "AWS does not know this access key in this region: check the profile, and that the region is enabled in the account",
		"AuthFailure":                 "AWS does not accept the credentials in this region: check that the region is enabled in the account",
		"SignatureDoesNotMatch":       "the secret access key does not belong to the access key, or this machine's clock is wrong",
		"RequestTimeTooSkewed":        "this machine's clock is wrong: set it and run the same command",
		"OptInRequired":               "enable the region, or complete the sign-up of the account, in the AWS console",
		"PendingVerification":         "AWS is still verifying the account for this region: wait for the email from AWS, then run the same command",
	},
})

const expired = "the credentials have expired: log in again (`aws login`, or for SSO `aws sso login`) and run the same command to continue"
