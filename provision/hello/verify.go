package hello

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/flowbed/flowbed/provision/awserr"
)

// verify checks that the bucket has the result of this run.
func (f *attempt) verify(ctx context.Context) error {
	key, object := f.resultKey(), "s3://"+f.Bucket+"/"+f.resultKey()
	out, err := f.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.Bucket, ExpectedBucketOwner: &f.ID.Account, Key: &key})
	if awserr.Code(err) == "NoSuchKey" {
		return &Failure{What: "the flow completed, but its result " + object + " does not exist", Todo: "check which bucket the flow's log names", Section: sectionPermission}
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", object, err)
	}
	if out.Body == nil {
		out.Body = http.NoBody
	}
	defer func() { _ = out.Body.Close() }()
	have, err := io.ReadAll(io.LimitReader(out.Body, int64(len(f.text))+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", object, err)
	}
	if string(have) != f.text {
		return &Failure{What: "the flow completed, but " + object + " does not contain what the flow wrote", Todo: "look for something else that writes to the bucket", Section: sectionPermission}
	}
	f.note("%s is what this run wrote", object)
	return nil
}
