package main

import (
	"fmt"
	"strings"
	"time"
)

// cost is something that a run pays for. The prices are those of us-east-1, on demand,
// without a free tier: https://aws.amazon.com/ec2/pricing/on-demand/,
// https://aws.amazon.com/fargate/pricing/
type cost struct {
	what  string
	price float64 // in US dollars per hour
	hours func(within time.Duration) float64
}

func all(d time.Duration) float64 { return d.Hours() }

// tasksTime is how long the tasks run, at one minute each, which is the least that
// Fargate charges, and twice that for pulling the image.
func tasksTime(time.Duration) float64 { return 22.0 / 60 }

var costs = []cost{
	{"two t3.micro (a probe and the agent)", 2 * 0.0104, all},
	{"two t2.micro (a probe and the agent)", 2 * 0.0116, all},
	{"four public IPv4 addresses", 4 * 0.005, all},
	{"four volumes of 8 GiB", 4 * 8 * 0.08 / 730, all},
	{"five tasks on Fargate, and one in each zone, 0.25 vCPU and 0.5 GiB", 0.25*0.04048 + 0.5*0.004445, tasksTime},
	{"two tasks of flow runs (hello, and one that dies), 1 vCPU and 2 GiB", 2 * (0.04048 + 2*0.004445), func(time.Duration) float64 { return 5.0 / 60 }},
	{"requests to SSM, SQS, S3, EventBridge and CloudWatch Logs, below", 0.01, func(time.Duration) float64 { return 1 }},
}

// bill lists what a run costs at most: if everything runs until the time is up.
func bill(within time.Duration) string {
	var b strings.Builder
	sum := 0.0
	for _, c := range costs {
		each := c.price * c.hours(within)
		sum += each
		fmt.Fprintf(&b, "  %-66s $%.3f\n", c.what, each)
	}
	fmt.Fprintf(&b, "  %-66s $%.3f\n", "at most, if all of it ran for "+within.String(), sum)
	return b.String()
}
