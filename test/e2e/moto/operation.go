package moto

import (
	"net/http"
	"net/url"
	"strings"
)

// name returns the service and the operation of a request. It takes the service from the
// scope of the signature, and the operation from where the protocol puts it.
func name(r *http.Request, body []byte) (service, operation string) {
	if _, scope, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		// key/date/region/service/aws4_request
		if p := strings.Split(scope, "/"); len(p) > 3 {
			service = p[3]
		}
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, operation, _ = strings.Cut(target, ".")
		return service, operation
	}
	if service == "s3" {
		return service, s3Operation(r)
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") != "" {
		return service, form.Get("Action")
	}
	return service, r.Method + " " + r.URL.Path
}

// key returns the id of the key that signed a request.
func key(r *http.Request) string {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	id, _, _ := strings.Cut(scope, "/")
	return id
}

// s3Parts maps sub-resources in the query to the names in operations.
var s3Parts = map[string]string{
	"tagging": "Tagging", "policy": "Policy", "versioning": "Versioning", "encryption": "Encryption",
	"lifecycle": "LifecycleConfiguration", "publicAccessBlock": "PublicAccessBlock",
	"ownershipControls": "OwnershipControls", "versions": "Versions", "uploads": "Uploads",
	"delete": "Objects", "location": "Location", "logging": "Logging",
}

func s3Operation(r *http.Request) string {
	verb := map[string]string{"GET": "Get", "PUT": "Put", "HEAD": "Head", "DELETE": "Delete", "POST": "Post"}[r.Method]
	for k, part := range s3Parts {
		if r.URL.Query().Has(k) {
			return verb + "Bucket" + part
		}
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case bucket == "":
		return "ListBuckets"
	case key != "":
		return verb + "Object"
	case r.Method == http.MethodPut:
		return "CreateBucket"
	case r.Method == http.MethodGet:
		return "ListObjects"
	}
	return verb + "Bucket"
}
