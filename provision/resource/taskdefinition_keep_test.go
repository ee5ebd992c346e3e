package resource

import (
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// TestRequestLike: a revision that takes the place of another one has all that a request can say of
// that one, also a container of others, which may be the first.
func TestRequestLike(t *testing.T) {
	var o types.TaskDefinition
	all := reflect.ValueOf(&o).Elem()
	for i := range all.NumField() {
		switch f := all.Field(i); {
		case !f.CanSet():
		case f.Kind() == reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case f.Kind() == reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case f.Kind() == reflect.String:
			f.SetString("kept")
		}
	}
	o.ContainerDefinitions = []types.ContainerDefinition{
		{Name: aws.String("mesh"), Image: aws.String("envoy:1")}, {Name: aws.String("worker"), Image: aws.String("prefect:2"), Command: []string{"theirs"}},
	}
	want := &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("family"), Cpu: aws.String("256"), Memory: aws.String("512"),
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("worker"), Image: aws.String("prefect:3"), Command: []string{"ours"}}},
	}
	in := requestLike(o, want)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[ecs.RegisterTaskDefinitionInput]()) {
		from := all.FieldByName(f.Name)
		switch f.Name {
		case "Family", "Cpu", "Memory":
			from = reflect.ValueOf(want).Elem().FieldByName(f.Name)
		case "ContainerDefinitions", "InferenceAccelerators": // AWS has withdrawn the latter
			continue
		}
		if !from.IsValid() || !f.IsExported() { // only a request has it, such as tags
			continue
		}
		if have := reflect.ValueOf(in).Elem().FieldByName(f.Name); !reflect.DeepEqual(have.Interface(), from.Interface()) {
			t.Errorf("%s is %v, want %v", f.Name, have, from)
		}
	}
	o.ContainerDefinitions[1].Image = aws.String("prefect:3")
	if !reflect.DeepEqual(in.ContainerDefinitions, o.ContainerDefinitions) {
		t.Errorf("the containers are %+v", in.ContainerDefinitions)
	}
	if r := revisionOf(o, nil, "worker"); r.Image != "prefect:3" {
		t.Errorf("the revision has the image %s", r.Image)
	}
}
