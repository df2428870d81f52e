//! Security.

use crate::config::broker::{ACL, CLASS, LIST, SASL, TLS};
use crate::config::key::Effect::{NoEffect, Refused};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast, Between, OneOf, OneOfIgnoringCase};

pub(super) const KEYS: &[Key] = keys! {
    "authorizer.class.name" => String, "", Any, Low, ReadOnly, Refused(ACL),
        "Class that decides who may do what.";
    "principal.builder.class" => Class, "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder", Any, Medium, PerBroker, Refused(CLASS),
        "Class that makes a principal of a connection.";
    "delegation.token.secret.key" => Password, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Key that signs delegation tokens.";
    "delegation.token.max.lifetime.ms" => Long, "604800000", AtLeast(1), Medium, ReadOnly, NoEffect(SASL),
        "Longest life of a delegation token, in milliseconds.";
    "delegation.token.expiry.time.ms" => Long, "86400000", AtLeast(1), Medium, ReadOnly, NoEffect(SASL),
        "Life of a delegation token before it has to be renewed, in milliseconds.";
    "delegation.token.expiry.check.interval.ms" => Long, "3600000", AtLeast(1), Low, ReadOnly, NoEffect(SASL),
        "Time between looks for delegation tokens that expired, in milliseconds.";
    "connections.max.reauth.ms" => Long, "0", Any, Medium, ReadOnly, NoEffect(SASL),
        "Longest life of a login, in milliseconds; 0 for ever.";
    "sasl.enabled.mechanisms" => List, "GSSAPI", LIST, Medium, PerBroker, NoEffect(SASL),
        "SASL mechanisms that are served.";
    "sasl.mechanism.inter.broker.protocol" => String, "GSSAPI", Any, Medium, PerBroker, NoEffect(SASL),
        "SASL mechanism among brokers.";
    "sasl.mechanism.controller.protocol" => String, "GSSAPI", Any, High, ReadOnly, NoEffect(SASL),
        "SASL mechanism with controllers.";
    "sasl.server.max.receive.size" => Int, "524288", Any, Medium, ReadOnly, NoEffect(SASL),
        "Largest message before a client is authenticated, in bytes.";
    "sasl.jaas.config" => Password, null, Any, Medium, PerBroker, NoEffect(SASL),
        "Login modules in JAAS format.";
    "sasl.server.callback.handler.class" => Class, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Class that checks logins.";
    "sasl.client.callback.handler.class" => Class, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Class that supplies the logins of this broker.";
    "sasl.login.class" => Class, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Class that logs this broker in.";
    "sasl.login.callback.handler.class" => Class, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Class that supplies credentials to the login of this broker.";
    "sasl.kerberos.service.name" => String, null, Any, Medium, PerBroker, NoEffect(SASL),
        "Kerberos service of the brokers.";
    "sasl.kerberos.principal.to.local.rules" => List, "DEFAULT", LIST, Medium, PerBroker, NoEffect(SASL),
        "Rules that make short names of Kerberos principals.";
    "sasl.kerberos.kinit.cmd" => String, "/usr/bin/kinit", Any, Medium, PerBroker, NoEffect(SASL),
        "Path of kinit.";
    "sasl.kerberos.min.time.before.relogin" => Long, "60000", Any, Medium, PerBroker, NoEffect(SASL),
        "Shortest time between two Kerberos logins, in milliseconds.";
    "sasl.kerberos.ticket.renew.jitter" => Double, "0.05", Any, Medium, PerBroker, NoEffect(SASL),
        "Random part of the time to a Kerberos renewal.";
    "sasl.kerberos.ticket.renew.window.factor" => Double, "0.8", Any, Medium, PerBroker, NoEffect(SASL),
        "Share of a Kerberos ticket's life after which it is renewed.";
    "sasl.login.refresh.window.factor" => Double, "0.8", Any, Medium, PerBroker, NoEffect(SASL),
        "Share of a token's life after which it is renewed.";
    "sasl.login.refresh.window.jitter" => Double, "0.05", Any, Medium, PerBroker, NoEffect(SASL),
        "Random part of the time to a token's renewal.";
    "sasl.login.refresh.min.period.seconds" => Short, "60", Any, Medium, PerBroker, NoEffect(SASL),
        "Shortest time between two renewals of a token, in seconds.";
    "sasl.login.refresh.buffer.seconds" => Short, "300", Any, Medium, PerBroker, NoEffect(SASL),
        "Time before a token's end by which it is renewed, in seconds.";
    "sasl.login.connect.timeout.ms" => Int, null, Any, Low, ReadOnly, NoEffect(SASL),
        "Timeout of a connection to the identity provider, in milliseconds.";
    "sasl.login.read.timeout.ms" => Int, null, Any, Low, ReadOnly, NoEffect(SASL),
        "Timeout of an answer of the identity provider, in milliseconds.";
    "sasl.login.retry.backoff.ms" => Long, "100", Any, Low, ReadOnly, NoEffect(SASL),
        "First pause before the identity provider is asked again, in milliseconds.";
    "sasl.login.retry.backoff.max.ms" => Long, "10000", Any, Low, ReadOnly, NoEffect(SASL),
        "Longest pause before the identity provider is asked again, in milliseconds.";
    "sasl.oauthbearer.jwks.endpoint.url" => String, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Where the keys of the identity provider are.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" => Long, "3600000", Any, Low, ReadOnly, NoEffect(SASL),
        "Time between looks for new keys, in milliseconds.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" => Long, "100", Any, Low, ReadOnly, NoEffect(SASL),
        "First pause before the keys are fetched again, in milliseconds.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" => Long, "10000", Any, Low, ReadOnly, NoEffect(SASL),
        "Longest pause before the keys are fetched again, in milliseconds.";
    "sasl.oauthbearer.token.endpoint.url" => String, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Where this broker gets tokens.";
    "sasl.oauthbearer.expected.audience" => List, "", LIST, High, ReadOnly, NoEffect(SASL),
        "Audiences that a token may be for.";
    "sasl.oauthbearer.expected.issuer" => String, null, Any, High, ReadOnly, NoEffect(SASL),
        "Issuer that a token must come from.";
    "sasl.oauthbearer.scope.claim.name" => String, "scope", Any, Low, ReadOnly, NoEffect(SASL),
        "Claim that holds the scope.";
    "sasl.oauthbearer.sub.claim.name" => String, "sub", Any, Low, ReadOnly, NoEffect(SASL),
        "Claim that holds the subject.";
    "sasl.oauthbearer.clock.skew.seconds" => Int, "30", Any, Low, ReadOnly, NoEffect(SASL),
        "Difference of clocks that is tolerated, in seconds.";
    "sasl.oauthbearer.scope" => String, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Scope that this broker asks for.";
    "sasl.oauthbearer.client.credentials.client.id" => String, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Client id with which this broker asks for tokens.";
    "sasl.oauthbearer.client.credentials.client.secret" => Password, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Client secret with which this broker asks for tokens.";
    "sasl.oauthbearer.jwt.retriever.class" => Class, "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever", Any, Medium, ReadOnly, NoEffect(SASL),
        "Class that gets tokens.";
    "sasl.oauthbearer.jwt.validator.class" => Class, "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator", Any, Medium, ReadOnly, NoEffect(SASL),
        "Class that checks tokens.";
    "sasl.oauthbearer.assertion.algorithm" => String, "RS256", OneOfIgnoringCase(&["ES256", "RS256"]), Medium, ReadOnly, NoEffect(SASL),
        "Algorithm that signs assertions.";
    "sasl.oauthbearer.assertion.claim.aud" => String, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Audience of assertions.";
    "sasl.oauthbearer.assertion.claim.iss" => String, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Issuer of assertions.";
    "sasl.oauthbearer.assertion.claim.sub" => String, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Subject of assertions.";
    "sasl.oauthbearer.assertion.claim.jti.include" => Boolean, "false", Any, Medium, ReadOnly, NoEffect(SASL),
        "Gives each assertion an id.";
    "sasl.oauthbearer.assertion.claim.exp.seconds" => Int, "300", Between(0, 86_400), Low, ReadOnly, NoEffect(SASL),
        "Life of an assertion, in seconds.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds" => Int, "60", Between(0, 3600), Low, ReadOnly, NoEffect(SASL),
        "How far back an assertion is valid, in seconds.";
    "sasl.oauthbearer.assertion.file" => String, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "File with a finished assertion.";
    "sasl.oauthbearer.assertion.private.key.file" => String, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "File with the key that signs assertions.";
    "sasl.oauthbearer.assertion.private.key.passphrase" => Password, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "Passphrase of the key that signs assertions.";
    "sasl.oauthbearer.assertion.template.file" => String, null, Any, Medium, ReadOnly, NoEffect(SASL),
        "File with the fixed part of assertions.";
    "ssl.client.auth" => String, "none", OneOf(&["required", "requested", "none"]), Medium, PerBroker, NoEffect(TLS),
        "Whether a client needs a certificate: required, requested or none.";
    "ssl.enabled.protocols" => List, "TLSv1.2,TLSv1.3", LIST, Medium, PerBroker, NoEffect(TLS),
        "Versions of TLS that are served.";
    "ssl.protocol" => String, "TLSv1.3", Any, Medium, PerBroker, NoEffect(TLS),
        "Version of TLS of the context.";
    "ssl.cipher.suites" => List, "", LIST, Medium, PerBroker, NoEffect(TLS),
        "Cipher suites that are allowed; empty for all.";
    "ssl.keystore.type" => String, "JKS", Any, Medium, PerBroker, NoEffect(TLS),
        "Format of the key store.";
    "ssl.keystore.location" => String, null, Any, Medium, PerBroker, NoEffect(TLS),
        "File of the key store.";
    "ssl.keystore.password" => Password, null, Any, Medium, PerBroker, NoEffect(TLS),
        "Password of the key store.";
    "ssl.keystore.key" => Password, null, Any, Medium, PerBroker, NoEffect(TLS),
        "Private key, in PEM.";
    "ssl.keystore.certificate.chain" => Password, null, Any, Medium, PerBroker, NoEffect(TLS),
        "Certificates of the private key, in PEM.";
    "ssl.key.password" => Password, null, Any, Medium, PerBroker, NoEffect(TLS),
        "Password of the private key.";
    "ssl.truststore.type" => String, "JKS", Any, Medium, PerBroker, NoEffect(TLS),
        "Format of the trust store.";
    "ssl.truststore.location" => String, null, Any, Medium, PerBroker, NoEffect(TLS),
        "File of the trust store.";
    "ssl.truststore.password" => Password, null, Any, Medium, PerBroker, NoEffect(TLS),
        "Password of the trust store.";
    "ssl.truststore.certificates" => Password, null, Any, Medium, PerBroker, NoEffect(TLS),
        "Certificates that are trusted, in PEM.";
    "ssl.principal.mapping.rules" => String, "DEFAULT", Any, Low, ReadOnly, NoEffect(TLS),
        "Rules that make short names of certificate names.";
    "ssl.endpoint.identification.algorithm" => String, "https", Any, Low, PerBroker, NoEffect(TLS),
        "How the name of a server is checked.";
    "ssl.engine.factory.class" => Class, null, Any, Low, PerBroker, NoEffect(TLS),
        "Class that makes TLS engines.";
    "ssl.keymanager.algorithm" => String, "SunX509", Any, Medium, PerBroker, NoEffect(TLS),
        "Algorithm of the key manager.";
    "ssl.trustmanager.algorithm" => String, "PKIX", Any, Medium, PerBroker, NoEffect(TLS),
        "Algorithm of the trust manager.";
    "ssl.provider" => String, null, Any, Medium, PerBroker, NoEffect(TLS),
        "Security provider of the JVM.";
    "ssl.secure.random.implementation" => String, null, Any, Low, PerBroker, NoEffect(TLS),
        "Source of randomness.";
    "ssl.allow.dn.changes" => Boolean, "false", Any, Low, ReadOnly, NoEffect(TLS),
        "Allows a new certificate to have another distinguished name.";
    "ssl.allow.san.changes" => Boolean, "false", Any, Low, ReadOnly, NoEffect(TLS),
        "Allows a new certificate to have fewer alternative names.";
    "security.providers" => String, null, Any, Low, ReadOnly, NoEffect(TLS),
        "Classes that add security providers to the JVM.";
    "super.users" => String, null, Any, Medium, ReadOnly, NoEffect(ACL),
        "Principals that may do everything." [hidden];
    "allow.everyone.if.no.acl.found" => Boolean, "false", Any, Medium, ReadOnly, NoEffect(ACL),
        "Allows everything on a resource that has no rule." [hidden];
};
