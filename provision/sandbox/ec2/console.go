package ec2

import (
	"encoding/base64"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() { core.Register(service, getConsoleOutput, instanceAccess) }

// maxConsole is how much of a console's output EC2 keeps.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
const maxConsole = 64 << 10 // bytes

// Print writes to the console of an instance. EC2 keeps only the end of the output.
func Print(r *core.Request, id string, at time.Time, text string) {
	i := part.In(r).Instances[id]
	if i == nil {
		return
	}
	i.Console, i.ConsoleTime = i.Console+text, at.UTC()
	if n := len(i.Console) - maxConsole; n > 0 {
		i.Console = i.Console[n:]
	}
}

// getConsoleOutput shows the whole output at once. Real EC2 shows it some minutes later,
// unless the request asks for the latest output.
func getConsoleOutput(r *request, in *ec2.GetConsoleOutputInput) (*ec2.GetConsoleOutputOutput, error) {
	i, err := r.find(aws.ToString(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if t, _ := findType(i.Type); aws.ToBool(in.Latest) && t.hypervisor != "nitro" {
		return nil, core.Fail("UnsupportedOperation", "This instance type does not support retrieving the latest console logs.")
	}
	out := &ec2.GetConsoleOutputOutput{InstanceId: &i.ID, Timestamp: aws.Time(r.Now)}
	if i.Console != "" {
		out.Output, out.Timestamp = aws.String(base64.StdEncoding.EncodeToString([]byte(i.Console))), aws.Time(i.ConsoleTime)
	}
	return out, nil
}
