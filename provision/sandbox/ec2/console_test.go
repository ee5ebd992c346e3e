package ec2_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	sandboxec2 "github.com/flowbed/flowbed/provision/sandbox/ec2"
	"github.com/flowbed/flowbed/test/try"
)

// TestConsole reads what was written to consoles. Only Nitro instances have a latest
// output.
func TestConsole(t *testing.T) {
	c := newClient("us-east-1")
	a := c.Account
	console := func(id string, latest *bool) (string, error) {
		out, err := c.GetConsoleOutput(bg, &ec2.GetConsoleOutputInput{InstanceId: &id, Latest: latest})
		if err != nil {
			return "", err
		}
		return string(try.Must(base64.StdEncoding.DecodeString(aws.ToString(out.Output)))), nil
	}
	for kind, latest := range map[string]string{"t2.micro": "UnsupportedOperation", "t3.micro": ""} {
		id := try.Must(c.run(func(in *ec2.RunInstancesInput) { in.InstanceType = types.InstanceType(kind) }))
		if have, err := console(id, nil); have != "" || err != nil {
			t.Errorf("%s: a new console says %q, %v", kind, have, err)
		}
		long := strings.Repeat("x", 64<<10)
		a.Change("us-east-1", func(r *core.Request) {
			sandboxec2.Print(r, id, time.Now(), "lost\n"+long)
			sandboxec2.Print(r, id, time.Now(), "hello\n")
			sandboxec2.Print(r, "i-1", time.Now(), "nobody reads this\n")
		})
		if have, err := console(id, nil); len(have) != len(long) || !strings.HasSuffix(have, "xhello\n") || err != nil {
			t.Errorf("%s: have %d characters, %v", kind, len(have), err)
		}
		_, err := console(id, aws.Bool(true))
		try.WantCode(t, err, latest)
		a.Policy = try.Policy(`"Effect":"Allow","Action":"ec2:GetConsoleOutput","Resource":"arn:aws:ec2:us-east-1:123456789012:instance/` + id + `"`)
		if _, err := console(id, nil); err != nil {
			t.Errorf("with the permission: have %v", err)
		}
		_, err = console("i-1", nil)
		try.WantCode(t, err, "UnauthorizedOperation")
		a.Policy = ""
	}
	_, err := console("i-1", nil)
	try.WantCode(t, err, "InvalidInstanceID.NotFound")
}
