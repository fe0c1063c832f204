import * as $protobuf from "protobufjs";
import Long = require("long");

/** Namespace fleetcert. */
export namespace fleetcert {

    /** Namespace v1. */
    namespace v1 {

        /**
         * Properties of an Attestation.
         * @deprecated Use fleetcert.v1.Attestation.$Properties instead.
         */
        interface IAttestation extends fleetcert.v1.Attestation.$Properties {
        }

        /** Represents an Attestation. */
        class Attestation {

            /**
             * Constructs a new Attestation.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Attestation.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Attestation enrol. */
            enrol?: (fleetcert.v1.EnrolRequest.$Properties|null);

            /** Attestation activated. */
            activated: Uint8Array;

            /** Attestation renew. */
            renew?: (fleetcert.v1.RenewRequest.$Properties|null);

            /**
             * Encodes the specified Attestation message. Does not implicitly {@link fleetcert.v1.Attestation.verify|verify} messages.
             * @param message Attestation message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Attestation.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an Attestation message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Attestation & fleetcert.v1.Attestation.$Shape} Attestation
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Attestation & fleetcert.v1.Attestation.$Shape;
        }

        namespace Attestation {

            /** Properties of an Attestation. */
            interface $Properties {

                /** Attestation enrol */
                enrol?: (fleetcert.v1.EnrolRequest.$Properties|null);

                /** Attestation activated */
                activated?: (Uint8Array|null);

                /** Attestation renew */
                renew?: (fleetcert.v1.RenewRequest.$Properties|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an Attestation. */
            type $Shape = fleetcert.v1.Attestation.$Properties;
        }

        /**
         * Properties of an EnrolRequest.
         * @deprecated Use fleetcert.v1.EnrolRequest.$Properties instead.
         */
        interface IEnrolRequest extends fleetcert.v1.EnrolRequest.$Properties {
        }

        /** Represents an EnrolRequest. */
        class EnrolRequest {

            /**
             * Constructs a new EnrolRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.EnrolRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** EnrolRequest slot. */
            slot: string;

            /** EnrolRequest generation. */
            generation: number;

            /** EnrolRequest csr. */
            csr: Uint8Array;

            /** EnrolRequest protection. */
            protection: string;

            /** EnrolRequest tokenSerial. */
            tokenSerial: string;

            /** EnrolRequest agentVersion. */
            agentVersion: string;

            /** EnrolRequest tpm. */
            tpm?: (fleetcert.v1.TpmIdentity.$Properties|null);

            /** EnrolRequest evidence. */
            evidence?: (fleetcert.v1.KeyEvidence.$Properties|null);

            /** EnrolRequest claimId. */
            claimId: string;

            /**
             * Encodes the specified EnrolRequest message. Does not implicitly {@link fleetcert.v1.EnrolRequest.verify|verify} messages.
             * @param message EnrolRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.EnrolRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an EnrolRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.EnrolRequest & fleetcert.v1.EnrolRequest.$Shape} EnrolRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.EnrolRequest & fleetcert.v1.EnrolRequest.$Shape;
        }

        namespace EnrolRequest {

            /** Properties of an EnrolRequest. */
            interface $Properties {

                /** EnrolRequest slot */
                slot?: (string|null);

                /** EnrolRequest generation */
                generation?: (number|null);

                /** EnrolRequest csr */
                csr?: (Uint8Array|null);

                /** EnrolRequest protection */
                protection?: (string|null);

                /** EnrolRequest tokenSerial */
                tokenSerial?: (string|null);

                /** EnrolRequest agentVersion */
                agentVersion?: (string|null);

                /** EnrolRequest tpm */
                tpm?: (fleetcert.v1.TpmIdentity.$Properties|null);

                /** EnrolRequest evidence */
                evidence?: (fleetcert.v1.KeyEvidence.$Properties|null);

                /** EnrolRequest claimId */
                claimId?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an EnrolRequest. */
            type $Shape = fleetcert.v1.EnrolRequest.$Properties;
        }

        /**
         * Properties of an Issued.
         * @deprecated Use fleetcert.v1.Issued.$Properties instead.
         */
        interface IIssued extends fleetcert.v1.Issued.$Properties {
        }

        /** Represents an Issued. */
        class Issued {

            /**
             * Constructs a new Issued.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Issued.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Issued slot. */
            slot: string;

            /** Issued generation. */
            generation: number;

            /** Issued certificate. */
            certificate: Uint8Array;

            /** Issued chain. */
            chain: Uint8Array[];

            /** Issued trustBundles. */
            trustBundles: Uint8Array[];

            /**
             * Encodes the specified Issued message. Does not implicitly {@link fleetcert.v1.Issued.verify|verify} messages.
             * @param message Issued message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Issued.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an Issued message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Issued & fleetcert.v1.Issued.$Shape} Issued
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Issued & fleetcert.v1.Issued.$Shape;
        }

        namespace Issued {

            /** Properties of an Issued. */
            interface $Properties {

                /** Issued slot */
                slot?: (string|null);

                /** Issued generation */
                generation?: (number|null);

                /** Issued certificate */
                certificate?: (Uint8Array|null);

                /** Issued chain */
                chain?: (Uint8Array[]|null);

                /** Issued trustBundles */
                trustBundles?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an Issued. */
            type $Shape = fleetcert.v1.Issued.$Properties;
        }

        /**
         * Properties of a Refused.
         * @deprecated Use fleetcert.v1.Refused.$Properties instead.
         */
        interface IRefused extends fleetcert.v1.Refused.$Properties {
        }

        /** Represents a Refused. */
        class Refused {

            /**
             * Constructs a new Refused.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Refused.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Refused code. */
            code: string;

            /** Refused message. */
            message: string;

            /** Refused hint. */
            hint: string;

            /** Refused retryAfter. */
            retryAfter: number;

            /** Refused trustBundles. */
            trustBundles: Uint8Array[];

            /**
             * Encodes the specified Refused message. Does not implicitly {@link fleetcert.v1.Refused.verify|verify} messages.
             * @param message Refused message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Refused.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Refused message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Refused & fleetcert.v1.Refused.$Shape} Refused
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Refused & fleetcert.v1.Refused.$Shape;
        }

        namespace Refused {

            /** Properties of a Refused. */
            interface $Properties {

                /** Refused code */
                code?: (string|null);

                /** Refused message */
                message?: (string|null);

                /** Refused hint */
                hint?: (string|null);

                /** Refused retryAfter */
                retryAfter?: (number|null);

                /** Refused trustBundles */
                trustBundles?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Refused. */
            type $Shape = fleetcert.v1.Refused.$Properties;
        }

        /**
         * Properties of a Challenge.
         * @deprecated Use fleetcert.v1.Challenge.$Properties instead.
         */
        interface IChallenge extends fleetcert.v1.Challenge.$Properties {
        }

        /** Represents a Challenge. */
        class Challenge {

            /**
             * Constructs a new Challenge.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Challenge.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Challenge nonce. */
            nonce: Uint8Array;

            /**
             * Encodes the specified Challenge message. Does not implicitly {@link fleetcert.v1.Challenge.verify|verify} messages.
             * @param message Challenge message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Challenge.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Challenge message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Challenge & fleetcert.v1.Challenge.$Shape} Challenge
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Challenge & fleetcert.v1.Challenge.$Shape;
        }

        namespace Challenge {

            /** Properties of a Challenge. */
            interface $Properties {

                /** Challenge nonce */
                nonce?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Challenge. */
            type $Shape = fleetcert.v1.Challenge.$Properties;
        }

        /**
         * Properties of a ChallengeResponse.
         * @deprecated Use fleetcert.v1.ChallengeResponse.$Properties instead.
         */
        interface IChallengeResponse extends fleetcert.v1.ChallengeResponse.$Properties {
        }

        /** Represents a ChallengeResponse. */
        class ChallengeResponse {

            /**
             * Constructs a new ChallengeResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.ChallengeResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** ChallengeResponse nonce. */
            nonce: Uint8Array;

            /**
             * Encodes the specified ChallengeResponse message. Does not implicitly {@link fleetcert.v1.ChallengeResponse.verify|verify} messages.
             * @param message ChallengeResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.ChallengeResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a ChallengeResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.ChallengeResponse & fleetcert.v1.ChallengeResponse.$Shape} ChallengeResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.ChallengeResponse & fleetcert.v1.ChallengeResponse.$Shape;
        }

        namespace ChallengeResponse {

            /** Properties of a ChallengeResponse. */
            interface $Properties {

                /** ChallengeResponse nonce */
                nonce?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a ChallengeResponse. */
            type $Shape = fleetcert.v1.ChallengeResponse.$Properties;
        }

        /**
         * Properties of a TpmIdentity.
         * @deprecated Use fleetcert.v1.TpmIdentity.$Properties instead.
         */
        interface ITpmIdentity extends fleetcert.v1.TpmIdentity.$Properties {
        }

        /** Represents a TpmIdentity. */
        class TpmIdentity {

            /**
             * Constructs a new TpmIdentity.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.TpmIdentity.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** TpmIdentity endorsementKey. */
            endorsementKey: Uint8Array;

            /** TpmIdentity endorsementCertificate. */
            endorsementCertificate: Uint8Array;

            /** TpmIdentity attestationKey. */
            attestationKey: Uint8Array;

            /**
             * Encodes the specified TpmIdentity message. Does not implicitly {@link fleetcert.v1.TpmIdentity.verify|verify} messages.
             * @param message TpmIdentity message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.TpmIdentity.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a TpmIdentity message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.TpmIdentity & fleetcert.v1.TpmIdentity.$Shape} TpmIdentity
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.TpmIdentity & fleetcert.v1.TpmIdentity.$Shape;
        }

        namespace TpmIdentity {

            /** Properties of a TpmIdentity. */
            interface $Properties {

                /** TpmIdentity endorsementKey */
                endorsementKey?: (Uint8Array|null);

                /** TpmIdentity endorsementCertificate */
                endorsementCertificate?: (Uint8Array|null);

                /** TpmIdentity attestationKey */
                attestationKey?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a TpmIdentity. */
            type $Shape = fleetcert.v1.TpmIdentity.$Properties;
        }

        /**
         * Properties of a KeyEvidence.
         * @deprecated Use fleetcert.v1.KeyEvidence.$Properties instead.
         */
        interface IKeyEvidence extends fleetcert.v1.KeyEvidence.$Properties {
        }

        /** Represents a KeyEvidence. */
        class KeyEvidence {

            /**
             * Constructs a new KeyEvidence.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.KeyEvidence.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** KeyEvidence publicArea. */
            publicArea: Uint8Array;

            /** KeyEvidence parent. */
            parent: Uint8Array;

            /** KeyEvidence attest. */
            attest: Uint8Array;

            /** KeyEvidence signature. */
            signature: Uint8Array;

            /**
             * Encodes the specified KeyEvidence message. Does not implicitly {@link fleetcert.v1.KeyEvidence.verify|verify} messages.
             * @param message KeyEvidence message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.KeyEvidence.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a KeyEvidence message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.KeyEvidence & fleetcert.v1.KeyEvidence.$Shape} KeyEvidence
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.KeyEvidence & fleetcert.v1.KeyEvidence.$Shape;
        }

        namespace KeyEvidence {

            /** Properties of a KeyEvidence. */
            interface $Properties {

                /** KeyEvidence publicArea */
                publicArea?: (Uint8Array|null);

                /** KeyEvidence parent */
                parent?: (Uint8Array|null);

                /** KeyEvidence attest */
                attest?: (Uint8Array|null);

                /** KeyEvidence signature */
                signature?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a KeyEvidence. */
            type $Shape = fleetcert.v1.KeyEvidence.$Properties;
        }

        /**
         * Properties of a Credential.
         * @deprecated Use fleetcert.v1.Credential.$Properties instead.
         */
        interface ICredential extends fleetcert.v1.Credential.$Properties {
        }

        /** Represents a Credential. */
        class Credential {

            /**
             * Constructs a new Credential.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Credential.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Credential credentialBlob. */
            credentialBlob: Uint8Array;

            /** Credential secret. */
            secret: Uint8Array;

            /** Credential trustBundles. */
            trustBundles: Uint8Array[];

            /**
             * Encodes the specified Credential message. Does not implicitly {@link fleetcert.v1.Credential.verify|verify} messages.
             * @param message Credential message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Credential.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Credential message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Credential & fleetcert.v1.Credential.$Shape} Credential
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Credential & fleetcert.v1.Credential.$Shape;
        }

        namespace Credential {

            /** Properties of a Credential. */
            interface $Properties {

                /** Credential credentialBlob */
                credentialBlob?: (Uint8Array|null);

                /** Credential secret */
                secret?: (Uint8Array|null);

                /** Credential trustBundles */
                trustBundles?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Credential. */
            type $Shape = fleetcert.v1.Credential.$Properties;
        }

        /**
         * Properties of a QuoteRequest.
         * @deprecated Use fleetcert.v1.QuoteRequest.$Properties instead.
         */
        interface IQuoteRequest extends fleetcert.v1.QuoteRequest.$Properties {
        }

        /** Represents a QuoteRequest. */
        class QuoteRequest {

            /**
             * Constructs a new QuoteRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.QuoteRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** QuoteRequest nonce. */
            nonce: Uint8Array;

            /** QuoteRequest pcrs. */
            pcrs: fleetcert.v1.PcrBank.$Properties[];

            /**
             * Encodes the specified QuoteRequest message. Does not implicitly {@link fleetcert.v1.QuoteRequest.verify|verify} messages.
             * @param message QuoteRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.QuoteRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a QuoteRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.QuoteRequest & fleetcert.v1.QuoteRequest.$Shape} QuoteRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.QuoteRequest & fleetcert.v1.QuoteRequest.$Shape;
        }

        namespace QuoteRequest {

            /** Properties of a QuoteRequest. */
            interface $Properties {

                /** QuoteRequest nonce */
                nonce?: (Uint8Array|null);

                /** QuoteRequest pcrs */
                pcrs?: (fleetcert.v1.PcrBank.$Properties[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a QuoteRequest. */
            type $Shape = fleetcert.v1.QuoteRequest.$Properties;
        }

        /**
         * Properties of a PcrBank.
         * @deprecated Use fleetcert.v1.PcrBank.$Properties instead.
         */
        interface IPcrBank extends fleetcert.v1.PcrBank.$Properties {
        }

        /** Represents a PcrBank. */
        class PcrBank {

            /**
             * Constructs a new PcrBank.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.PcrBank.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** PcrBank hash. */
            hash: string;

            /** PcrBank indices. */
            indices: number[];

            /**
             * Encodes the specified PcrBank message. Does not implicitly {@link fleetcert.v1.PcrBank.verify|verify} messages.
             * @param message PcrBank message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.PcrBank.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a PcrBank message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.PcrBank & fleetcert.v1.PcrBank.$Shape} PcrBank
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.PcrBank & fleetcert.v1.PcrBank.$Shape;
        }

        namespace PcrBank {

            /** Properties of a PcrBank. */
            interface $Properties {

                /** PcrBank hash */
                hash?: (string|null);

                /** PcrBank indices */
                indices?: (number[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a PcrBank. */
            type $Shape = fleetcert.v1.PcrBank.$Properties;
        }

        /**
         * Properties of a Quote.
         * @deprecated Use fleetcert.v1.Quote.$Properties instead.
         */
        interface IQuote extends fleetcert.v1.Quote.$Properties {
        }

        /** Represents a Quote. */
        class Quote {

            /**
             * Constructs a new Quote.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Quote.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Quote nonce. */
            nonce: Uint8Array;

            /** Quote attest. */
            attest: Uint8Array;

            /** Quote signature. */
            signature: Uint8Array;

            /** Quote values. */
            values: Uint8Array[];

            /**
             * Encodes the specified Quote message. Does not implicitly {@link fleetcert.v1.Quote.verify|verify} messages.
             * @param message Quote message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Quote.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Quote message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Quote & fleetcert.v1.Quote.$Shape} Quote
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Quote & fleetcert.v1.Quote.$Shape;
        }

        namespace Quote {

            /** Properties of a Quote. */
            interface $Properties {

                /** Quote nonce */
                nonce?: (Uint8Array|null);

                /** Quote attest */
                attest?: (Uint8Array|null);

                /** Quote signature */
                signature?: (Uint8Array|null);

                /** Quote values */
                values?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Quote. */
            type $Shape = fleetcert.v1.Quote.$Properties;
        }

        /**
         * Properties of a RenewRequest.
         * @deprecated Use fleetcert.v1.RenewRequest.$Properties instead.
         */
        interface IRenewRequest extends fleetcert.v1.RenewRequest.$Properties {
        }

        /** Represents a RenewRequest. */
        class RenewRequest {

            /**
             * Constructs a new RenewRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.RenewRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** RenewRequest slot. */
            slot: string;

            /** RenewRequest generation. */
            generation: number;

            /** RenewRequest csr. */
            csr: Uint8Array;

            /** RenewRequest previousCertificateSha256. */
            previousCertificateSha256: Uint8Array;

            /** RenewRequest protection. */
            protection: string;

            /** RenewRequest tokenSerial. */
            tokenSerial: string;

            /** RenewRequest evidence. */
            evidence?: (fleetcert.v1.KeyEvidence.$Properties|null);

            /** RenewRequest tpm. */
            tpm?: (fleetcert.v1.TpmIdentity.$Properties|null);

            /**
             * Encodes the specified RenewRequest message. Does not implicitly {@link fleetcert.v1.RenewRequest.verify|verify} messages.
             * @param message RenewRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.RenewRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a RenewRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.RenewRequest & fleetcert.v1.RenewRequest.$Shape} RenewRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.RenewRequest & fleetcert.v1.RenewRequest.$Shape;
        }

        namespace RenewRequest {

            /** Properties of a RenewRequest. */
            interface $Properties {

                /** RenewRequest slot */
                slot?: (string|null);

                /** RenewRequest generation */
                generation?: (number|null);

                /** RenewRequest csr */
                csr?: (Uint8Array|null);

                /** RenewRequest previousCertificateSha256 */
                previousCertificateSha256?: (Uint8Array|null);

                /** RenewRequest protection */
                protection?: (string|null);

                /** RenewRequest tokenSerial */
                tokenSerial?: (string|null);

                /** RenewRequest evidence */
                evidence?: (fleetcert.v1.KeyEvidence.$Properties|null);

                /** RenewRequest tpm */
                tpm?: (fleetcert.v1.TpmIdentity.$Properties|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a RenewRequest. */
            type $Shape = fleetcert.v1.RenewRequest.$Properties;
        }

        /**
         * Properties of an Activated.
         * @deprecated Use fleetcert.v1.Activated.$Properties instead.
         */
        interface IActivated extends fleetcert.v1.Activated.$Properties {
        }

        /** Represents an Activated. */
        class Activated {

            /**
             * Constructs a new Activated.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Activated.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Activated slot. */
            slot: string;

            /** Activated generation. */
            generation: number;

            /** Activated certificateSha256. */
            certificateSha256: Uint8Array;

            /**
             * Encodes the specified Activated message. Does not implicitly {@link fleetcert.v1.Activated.verify|verify} messages.
             * @param message Activated message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Activated.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an Activated message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Activated & fleetcert.v1.Activated.$Shape} Activated
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Activated & fleetcert.v1.Activated.$Shape;
        }

        namespace Activated {

            /** Properties of an Activated. */
            interface $Properties {

                /** Activated slot */
                slot?: (string|null);

                /** Activated generation */
                generation?: (number|null);

                /** Activated certificateSha256 */
                certificateSha256?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an Activated. */
            type $Shape = fleetcert.v1.Activated.$Properties;
        }

        /**
         * Properties of a Confirmed.
         * @deprecated Use fleetcert.v1.Confirmed.$Properties instead.
         */
        interface IConfirmed extends fleetcert.v1.Confirmed.$Properties {
        }

        /** Represents a Confirmed. */
        class Confirmed {

            /**
             * Constructs a new Confirmed.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Confirmed.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Confirmed slot. */
            slot: string;

            /** Confirmed generation. */
            generation: number;

            /** Confirmed certificateSha256. */
            certificateSha256: Uint8Array;

            /** Confirmed grace. */
            grace: number;

            /**
             * Encodes the specified Confirmed message. Does not implicitly {@link fleetcert.v1.Confirmed.verify|verify} messages.
             * @param message Confirmed message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Confirmed.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Confirmed message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Confirmed & fleetcert.v1.Confirmed.$Shape} Confirmed
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Confirmed & fleetcert.v1.Confirmed.$Shape;
        }

        namespace Confirmed {

            /** Properties of a Confirmed. */
            interface $Properties {

                /** Confirmed slot */
                slot?: (string|null);

                /** Confirmed generation */
                generation?: (number|null);

                /** Confirmed certificateSha256 */
                certificateSha256?: (Uint8Array|null);

                /** Confirmed grace */
                grace?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Confirmed. */
            type $Shape = fleetcert.v1.Confirmed.$Properties;
        }

        /**
         * Properties of a CourierFile.
         * @deprecated Use fleetcert.v1.CourierFile.$Properties instead.
         */
        interface ICourierFile extends fleetcert.v1.CourierFile.$Properties {
        }

        /** Represents a CourierFile. */
        class CourierFile {

            /**
             * Constructs a new CourierFile.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.CourierFile.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** CourierFile manifest. */
            manifest: Uint8Array;

            /** CourierFile parts. */
            parts: fleetcert.v1.CourierPart.$Properties[];

            /**
             * Encodes the specified CourierFile message. Does not implicitly {@link fleetcert.v1.CourierFile.verify|verify} messages.
             * @param message CourierFile message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.CourierFile.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a CourierFile message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.CourierFile & fleetcert.v1.CourierFile.$Shape} CourierFile
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.CourierFile & fleetcert.v1.CourierFile.$Shape;
        }

        namespace CourierFile {

            /** Properties of a CourierFile. */
            interface $Properties {

                /** CourierFile manifest */
                manifest?: (Uint8Array|null);

                /** CourierFile parts */
                parts?: (fleetcert.v1.CourierPart.$Properties[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a CourierFile. */
            type $Shape = fleetcert.v1.CourierFile.$Properties;
        }

        /**
         * Properties of a CourierPart.
         * @deprecated Use fleetcert.v1.CourierPart.$Properties instead.
         */
        interface ICourierPart extends fleetcert.v1.CourierPart.$Properties {
        }

        /** Represents a CourierPart. */
        class CourierPart {

            /**
             * Constructs a new CourierPart.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.CourierPart.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** CourierPart topic. */
            topic: string;

            /** CourierPart payload. */
            payload: Uint8Array;

            /**
             * Encodes the specified CourierPart message. Does not implicitly {@link fleetcert.v1.CourierPart.verify|verify} messages.
             * @param message CourierPart message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.CourierPart.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a CourierPart message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.CourierPart & fleetcert.v1.CourierPart.$Shape} CourierPart
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.CourierPart & fleetcert.v1.CourierPart.$Shape;
        }

        namespace CourierPart {

            /** Properties of a CourierPart. */
            interface $Properties {

                /** CourierPart topic */
                topic?: (string|null);

                /** CourierPart payload */
                payload?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a CourierPart. */
            type $Shape = fleetcert.v1.CourierPart.$Properties;
        }

        /**
         * Properties of a CourierRequest.
         * @deprecated Use fleetcert.v1.CourierRequest.$Properties instead.
         */
        interface ICourierRequest extends fleetcert.v1.CourierRequest.$Properties {
        }

        /** Represents a CourierRequest. */
        class CourierRequest {

            /**
             * Constructs a new CourierRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.CourierRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** CourierRequest nonce. */
            nonce: Uint8Array;

            /** CourierRequest wantsLists. */
            wantsLists: boolean;

            /** CourierRequest parts. */
            parts: Uint8Array[];

            /**
             * Encodes the specified CourierRequest message. Does not implicitly {@link fleetcert.v1.CourierRequest.verify|verify} messages.
             * @param message CourierRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.CourierRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a CourierRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.CourierRequest & fleetcert.v1.CourierRequest.$Shape} CourierRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.CourierRequest & fleetcert.v1.CourierRequest.$Shape;
        }

        namespace CourierRequest {

            /** Properties of a CourierRequest. */
            interface $Properties {

                /** CourierRequest nonce */
                nonce?: (Uint8Array|null);

                /** CourierRequest wantsLists */
                wantsLists?: (boolean|null);

                /** CourierRequest parts */
                parts?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a CourierRequest. */
            type $Shape = fleetcert.v1.CourierRequest.$Properties;
        }

        /**
         * Properties of a CourierReply.
         * @deprecated Use fleetcert.v1.CourierReply.$Properties instead.
         */
        interface ICourierReply extends fleetcert.v1.CourierReply.$Properties {
        }

        /** Represents a CourierReply. */
        class CourierReply {

            /**
             * Constructs a new CourierReply.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.CourierReply.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** CourierReply nonce. */
            nonce: Uint8Array;

            /** CourierReply generation. */
            generation: number;

            /** CourierReply parts. */
            parts: Uint8Array[];

            /**
             * Encodes the specified CourierReply message. Does not implicitly {@link fleetcert.v1.CourierReply.verify|verify} messages.
             * @param message CourierReply message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.CourierReply.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a CourierReply message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.CourierReply & fleetcert.v1.CourierReply.$Shape} CourierReply
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.CourierReply & fleetcert.v1.CourierReply.$Shape;
        }

        namespace CourierReply {

            /** Properties of a CourierReply. */
            interface $Properties {

                /** CourierReply nonce */
                nonce?: (Uint8Array|null);

                /** CourierReply generation */
                generation?: (number|null);

                /** CourierReply parts */
                parts?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a CourierReply. */
            type $Shape = fleetcert.v1.CourierReply.$Properties;
        }

        /**
         * Properties of a DesiredState.
         * @deprecated Use fleetcert.v1.DesiredState.$Properties instead.
         */
        interface IDesiredState extends fleetcert.v1.DesiredState.$Properties {
        }

        /** Represents a DesiredState. */
        class DesiredState {

            /**
             * Constructs a new DesiredState.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.DesiredState.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** DesiredState era. */
            era: number;

            /** DesiredState version. */
            version: number;

            /** DesiredState slots. */
            slots: fleetcert.v1.DesiredSlot.$Properties[];

            /** DesiredState reportInterval. */
            reportInterval: number;

            /** DesiredState retire. */
            retire: boolean;

            /** DesiredState suspended. */
            suspended: string;

            /** DesiredState maintenance. */
            maintenance: fleetcert.v1.MaintenanceWindow.$Properties[];

            /**
             * Encodes the specified DesiredState message. Does not implicitly {@link fleetcert.v1.DesiredState.verify|verify} messages.
             * @param message DesiredState message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.DesiredState.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a DesiredState message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.DesiredState & fleetcert.v1.DesiredState.$Shape} DesiredState
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.DesiredState & fleetcert.v1.DesiredState.$Shape;
        }

        namespace DesiredState {

            /** Properties of a DesiredState. */
            interface $Properties {

                /** DesiredState era */
                era?: (number|null);

                /** DesiredState version */
                version?: (number|null);

                /** DesiredState slots */
                slots?: (fleetcert.v1.DesiredSlot.$Properties[]|null);

                /** DesiredState reportInterval */
                reportInterval?: (number|null);

                /** DesiredState retire */
                retire?: (boolean|null);

                /** DesiredState suspended */
                suspended?: (string|null);

                /** DesiredState maintenance */
                maintenance?: (fleetcert.v1.MaintenanceWindow.$Properties[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a DesiredState. */
            type $Shape = fleetcert.v1.DesiredState.$Properties;
        }

        /**
         * Properties of a DesiredSlot.
         * @deprecated Use fleetcert.v1.DesiredSlot.$Properties instead.
         */
        interface IDesiredSlot extends fleetcert.v1.DesiredSlot.$Properties {
        }

        /** Represents a DesiredSlot. */
        class DesiredSlot {

            /**
             * Constructs a new DesiredSlot.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.DesiredSlot.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** DesiredSlot slot. */
            slot: string;

            /** DesiredSlot profile. */
            profile: string;

            /** DesiredSlot keyAlgorithm. */
            keyAlgorithm: string;

            /** DesiredSlot renewGeneration. */
            renewGeneration: number;

            /** DesiredSlot windowStart. */
            windowStart: number;

            /** DesiredSlot windowEnd. */
            windowEnd: number;

            /** DesiredSlot explanationUrl. */
            explanationUrl: string;

            /** DesiredSlot retryAfter. */
            retryAfter: number;

            /** DesiredSlot earliest. */
            earliest: number;

            /** DesiredSlot renewBefore. */
            renewBefore: number;

            /** DesiredSlot mode. */
            mode: fleetcert.v1.RenewalMode;

            /**
             * Encodes the specified DesiredSlot message. Does not implicitly {@link fleetcert.v1.DesiredSlot.verify|verify} messages.
             * @param message DesiredSlot message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.DesiredSlot.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a DesiredSlot message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.DesiredSlot & fleetcert.v1.DesiredSlot.$Shape} DesiredSlot
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.DesiredSlot & fleetcert.v1.DesiredSlot.$Shape;
        }

        namespace DesiredSlot {

            /** Properties of a DesiredSlot. */
            interface $Properties {

                /** DesiredSlot slot */
                slot?: (string|null);

                /** DesiredSlot profile */
                profile?: (string|null);

                /** DesiredSlot keyAlgorithm */
                keyAlgorithm?: (string|null);

                /** DesiredSlot renewGeneration */
                renewGeneration?: (number|null);

                /** DesiredSlot windowStart */
                windowStart?: (number|null);

                /** DesiredSlot windowEnd */
                windowEnd?: (number|null);

                /** DesiredSlot explanationUrl */
                explanationUrl?: (string|null);

                /** DesiredSlot retryAfter */
                retryAfter?: (number|null);

                /** DesiredSlot earliest */
                earliest?: (number|null);

                /** DesiredSlot renewBefore */
                renewBefore?: (number|null);

                /** DesiredSlot mode */
                mode?: (fleetcert.v1.RenewalMode|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a DesiredSlot. */
            type $Shape = fleetcert.v1.DesiredSlot.$Properties;
        }

        /**
         * Properties of a MaintenanceWindow.
         * @deprecated Use fleetcert.v1.MaintenanceWindow.$Properties instead.
         */
        interface IMaintenanceWindow extends fleetcert.v1.MaintenanceWindow.$Properties {
        }

        /** Represents a MaintenanceWindow. */
        class MaintenanceWindow {

            /**
             * Constructs a new MaintenanceWindow.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.MaintenanceWindow.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** MaintenanceWindow cron. */
            cron: string;

            /** MaintenanceWindow duration. */
            duration: number;

            /** MaintenanceWindow timeZone. */
            timeZone: string;

            /**
             * Encodes the specified MaintenanceWindow message. Does not implicitly {@link fleetcert.v1.MaintenanceWindow.verify|verify} messages.
             * @param message MaintenanceWindow message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.MaintenanceWindow.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a MaintenanceWindow message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.MaintenanceWindow & fleetcert.v1.MaintenanceWindow.$Shape} MaintenanceWindow
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.MaintenanceWindow & fleetcert.v1.MaintenanceWindow.$Shape;
        }

        namespace MaintenanceWindow {

            /** Properties of a MaintenanceWindow. */
            interface $Properties {

                /** MaintenanceWindow cron */
                cron?: (string|null);

                /** MaintenanceWindow duration */
                duration?: (number|null);

                /** MaintenanceWindow timeZone */
                timeZone?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a MaintenanceWindow. */
            type $Shape = fleetcert.v1.MaintenanceWindow.$Properties;
        }

        /** RenewalMode enum. */
        enum RenewalMode {

            /** RENEWAL_AUTOMATIC value */
            RENEWAL_AUTOMATIC = 0,

            /** RENEWAL_DISABLED value */
            RENEWAL_DISABLED = 1,

            /** RENEWAL_URGENT value */
            RENEWAL_URGENT = 2
        }

        /**
         * Properties of a SignedEnvelope.
         * @deprecated Use fleetcert.v1.SignedEnvelope.$Properties instead.
         */
        interface ISignedEnvelope extends fleetcert.v1.SignedEnvelope.$Properties {
        }

        /** Represents a SignedEnvelope. */
        class SignedEnvelope {

            /**
             * Constructs a new SignedEnvelope.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.SignedEnvelope.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** SignedEnvelope payloadType. */
            payloadType: string;

            /** SignedEnvelope payload. */
            payload: Uint8Array;

            /** SignedEnvelope signatures. */
            signatures: fleetcert.v1.EnvelopeSignature.$Properties[];

            /**
             * Encodes the specified SignedEnvelope message. Does not implicitly {@link fleetcert.v1.SignedEnvelope.verify|verify} messages.
             * @param message SignedEnvelope message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.SignedEnvelope.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a SignedEnvelope message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.SignedEnvelope & fleetcert.v1.SignedEnvelope.$Shape} SignedEnvelope
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.SignedEnvelope & fleetcert.v1.SignedEnvelope.$Shape;
        }

        namespace SignedEnvelope {

            /** Properties of a SignedEnvelope. */
            interface $Properties {

                /** SignedEnvelope payloadType */
                payloadType?: (string|null);

                /** SignedEnvelope payload */
                payload?: (Uint8Array|null);

                /** SignedEnvelope signatures */
                signatures?: (fleetcert.v1.EnvelopeSignature.$Properties[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a SignedEnvelope. */
            type $Shape = fleetcert.v1.SignedEnvelope.$Properties;
        }

        /**
         * Properties of an EnvelopeSignature.
         * @deprecated Use fleetcert.v1.EnvelopeSignature.$Properties instead.
         */
        interface IEnvelopeSignature extends fleetcert.v1.EnvelopeSignature.$Properties {
        }

        /** Represents an EnvelopeSignature. */
        class EnvelopeSignature {

            /**
             * Constructs a new EnvelopeSignature.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.EnvelopeSignature.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** EnvelopeSignature keyId. */
            keyId: Uint8Array;

            /** EnvelopeSignature signature. */
            signature: Uint8Array;

            /**
             * Encodes the specified EnvelopeSignature message. Does not implicitly {@link fleetcert.v1.EnvelopeSignature.verify|verify} messages.
             * @param message EnvelopeSignature message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.EnvelopeSignature.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an EnvelopeSignature message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.EnvelopeSignature & fleetcert.v1.EnvelopeSignature.$Shape} EnvelopeSignature
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.EnvelopeSignature & fleetcert.v1.EnvelopeSignature.$Shape;
        }

        namespace EnvelopeSignature {

            /** Properties of an EnvelopeSignature. */
            interface $Properties {

                /** EnvelopeSignature keyId */
                keyId?: (Uint8Array|null);

                /** EnvelopeSignature signature */
                signature?: (Uint8Array|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an EnvelopeSignature. */
            type $Shape = fleetcert.v1.EnvelopeSignature.$Properties;
        }

        /**
         * Properties of a Message.
         * @deprecated Use fleetcert.v1.Message.$Properties instead.
         */
        interface IMessage extends fleetcert.v1.Message.$Properties {
        }

        /** Represents a Message. */
        class Message {

            /**
             * Constructs a new Message.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Message.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Message version. */
            version: number;

            /** Message fleet. */
            fleet: string;

            /** Message direction. */
            direction: fleetcert.v1.Direction;

            /** Message kind. */
            kind: string;

            /** Message sender. */
            sender: string;

            /** Message recipient. */
            recipient: string;

            /** Message messageId. */
            messageId: Uint8Array;

            /** Message inReplyTo. */
            inReplyTo: Uint8Array;

            /** Message sentAt. */
            sentAt: number;

            /** Message expiresAt. */
            expiresAt: number;

            /** Message sequence. */
            sequence?: (fleetcert.v1.Sequence.$Properties|null);

            /** Message traceparent. */
            traceparent: string;

            /** Message enrol. */
            enrol?: (fleetcert.v1.EnrolRequest.$Properties|null);

            /** Message attestation. */
            attestation?: (fleetcert.v1.Attestation.$Properties|null);

            /** Message renew. */
            renew?: (fleetcert.v1.RenewRequest.$Properties|null);

            /** Message activated. */
            activated?: (fleetcert.v1.Activated.$Properties|null);

            /** Message report. */
            report?: (fleetcert.v1.StatusReport.$Properties|null);

            /** Message ack. */
            ack?: (fleetcert.v1.RevocationAck.$Properties|null);

            /** Message timeRequest. */
            timeRequest?: (fleetcert.v1.TimeRequest.$Properties|null);

            /** Message event. */
            event?: (fleetcert.v1.SecurityEvent.$Properties|null);

            /** Message challengeResponse. */
            challengeResponse?: (fleetcert.v1.ChallengeResponse.$Properties|null);

            /** Message quote. */
            quote?: (fleetcert.v1.Quote.$Properties|null);

            /** Message courierRequest. */
            courierRequest?: (fleetcert.v1.CourierRequest.$Properties|null);

            /** Message issued. */
            issued?: (fleetcert.v1.Issued.$Properties|null);

            /** Message refused. */
            refused?: (fleetcert.v1.Refused.$Properties|null);

            /** Message confirmed. */
            confirmed?: (fleetcert.v1.Confirmed.$Properties|null);

            /** Message received. */
            received?: (fleetcert.v1.Received.$Properties|null);

            /** Message timeToken. */
            timeToken?: (fleetcert.v1.TimeToken.$Properties|null);

            /** Message challenge. */
            challenge?: (fleetcert.v1.Challenge.$Properties|null);

            /** Message desired. */
            desired?: (fleetcert.v1.DesiredState.$Properties|null);

            /** Message credential. */
            credential?: (fleetcert.v1.Credential.$Properties|null);

            /** Message quoteRequest. */
            quoteRequest?: (fleetcert.v1.QuoteRequest.$Properties|null);

            /** Message courierReply. */
            courierReply?: (fleetcert.v1.CourierReply.$Properties|null);

            /** Message head. */
            head?: (fleetcert.v1.RevocationHead.$Properties|null);

            /** Message body. */
            body?: ("enrol"|"attestation"|"renew"|"activated"|"report"|"ack"|"timeRequest"|"event"|"challengeResponse"|"quote"|"courierRequest"|"issued"|"refused"|"confirmed"|"received"|"timeToken"|"challenge"|"desired"|"credential"|"quoteRequest"|"courierReply"|"head");

            /**
             * Encodes the specified Message message. Does not implicitly {@link fleetcert.v1.Message.verify|verify} messages.
             * @param message Message message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Message.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Message message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Message & fleetcert.v1.Message.$Shape} Message
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Message & fleetcert.v1.Message.$Shape;
        }

        namespace Message {

            /** Properties of a Message. */
            interface $Properties {

                /** Message version */
                version?: (number|null);

                /** Message fleet */
                fleet?: (string|null);

                /** Message direction */
                direction?: (fleetcert.v1.Direction|null);

                /** Message kind */
                kind?: (string|null);

                /** Message sender */
                sender?: (string|null);

                /** Message recipient */
                recipient?: (string|null);

                /** Message messageId */
                messageId?: (Uint8Array|null);

                /** Message inReplyTo */
                inReplyTo?: (Uint8Array|null);

                /** Message sentAt */
                sentAt?: (number|null);

                /** Message expiresAt */
                expiresAt?: (number|null);

                /** Message sequence */
                sequence?: (fleetcert.v1.Sequence.$Properties|null);

                /** Message traceparent */
                traceparent?: (string|null);

                /** Message enrol */
                enrol?: (fleetcert.v1.EnrolRequest.$Properties|null);

                /** Message attestation */
                attestation?: (fleetcert.v1.Attestation.$Properties|null);

                /** Message renew */
                renew?: (fleetcert.v1.RenewRequest.$Properties|null);

                /** Message activated */
                activated?: (fleetcert.v1.Activated.$Properties|null);

                /** Message report */
                report?: (fleetcert.v1.StatusReport.$Properties|null);

                /** Message ack */
                ack?: (fleetcert.v1.RevocationAck.$Properties|null);

                /** Message timeRequest */
                timeRequest?: (fleetcert.v1.TimeRequest.$Properties|null);

                /** Message event */
                event?: (fleetcert.v1.SecurityEvent.$Properties|null);

                /** Message challengeResponse */
                challengeResponse?: (fleetcert.v1.ChallengeResponse.$Properties|null);

                /** Message quote */
                quote?: (fleetcert.v1.Quote.$Properties|null);

                /** Message courierRequest */
                courierRequest?: (fleetcert.v1.CourierRequest.$Properties|null);

                /** Message issued */
                issued?: (fleetcert.v1.Issued.$Properties|null);

                /** Message refused */
                refused?: (fleetcert.v1.Refused.$Properties|null);

                /** Message confirmed */
                confirmed?: (fleetcert.v1.Confirmed.$Properties|null);

                /** Message received */
                received?: (fleetcert.v1.Received.$Properties|null);

                /** Message timeToken */
                timeToken?: (fleetcert.v1.TimeToken.$Properties|null);

                /** Message challenge */
                challenge?: (fleetcert.v1.Challenge.$Properties|null);

                /** Message desired */
                desired?: (fleetcert.v1.DesiredState.$Properties|null);

                /** Message credential */
                credential?: (fleetcert.v1.Credential.$Properties|null);

                /** Message quoteRequest */
                quoteRequest?: (fleetcert.v1.QuoteRequest.$Properties|null);

                /** Message courierReply */
                courierReply?: (fleetcert.v1.CourierReply.$Properties|null);

                /** Message head */
                head?: (fleetcert.v1.RevocationHead.$Properties|null);

                /** Message body */
                body?: ("enrol"|"attestation"|"renew"|"activated"|"report"|"ack"|"timeRequest"|"event"|"challengeResponse"|"quote"|"courierRequest"|"issued"|"refused"|"confirmed"|"received"|"timeToken"|"challenge"|"desired"|"credential"|"quoteRequest"|"courierReply"|"head");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of a Message. */
            type $Shape = {
              version?: number|null;
              fleet?: string|null;
              direction?: fleetcert.v1.Direction|null;
              kind?: string|null;
              sender?: string|null;
              recipient?: string|null;
              messageId?: Uint8Array|null;
              inReplyTo?: Uint8Array|null;
              sentAt?: number|null;
              expiresAt?: number|null;
              sequence?: fleetcert.v1.Sequence.$Shape|null;
              traceparent?: string|null;
              enrol?: fleetcert.v1.EnrolRequest.$Shape|null;
              attestation?: fleetcert.v1.Attestation.$Shape|null;
              renew?: fleetcert.v1.RenewRequest.$Shape|null;
              activated?: fleetcert.v1.Activated.$Shape|null;
              report?: fleetcert.v1.StatusReport.$Shape|null;
              ack?: fleetcert.v1.RevocationAck.$Shape|null;
              timeRequest?: fleetcert.v1.TimeRequest.$Shape|null;
              event?: fleetcert.v1.SecurityEvent.$Shape|null;
              challengeResponse?: fleetcert.v1.ChallengeResponse.$Shape|null;
              quote?: fleetcert.v1.Quote.$Shape|null;
              courierRequest?: fleetcert.v1.CourierRequest.$Shape|null;
              issued?: fleetcert.v1.Issued.$Shape|null;
              refused?: fleetcert.v1.Refused.$Shape|null;
              confirmed?: fleetcert.v1.Confirmed.$Shape|null;
              received?: fleetcert.v1.Received.$Shape|null;
              timeToken?: fleetcert.v1.TimeToken.$Shape|null;
              challenge?: fleetcert.v1.Challenge.$Shape|null;
              desired?: fleetcert.v1.DesiredState.$Shape|null;
              credential?: fleetcert.v1.Credential.$Shape|null;
              quoteRequest?: fleetcert.v1.QuoteRequest.$Shape|null;
              courierReply?: fleetcert.v1.CourierReply.$Shape|null;
              head?: fleetcert.v1.RevocationHead.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ body?: undefined; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "enrol"; enrol: fleetcert.v1.EnrolRequest.$Shape; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "attestation"; enrol?: null; attestation: fleetcert.v1.Attestation.$Shape; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "renew"; enrol?: null; attestation?: null; renew: fleetcert.v1.RenewRequest.$Shape; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "activated"; enrol?: null; attestation?: null; renew?: null; activated: fleetcert.v1.Activated.$Shape; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "report"; enrol?: null; attestation?: null; renew?: null; activated?: null; report: fleetcert.v1.StatusReport.$Shape; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "ack"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack: fleetcert.v1.RevocationAck.$Shape; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "timeRequest"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest: fleetcert.v1.TimeRequest.$Shape; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "event"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event: fleetcert.v1.SecurityEvent.$Shape; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "challengeResponse"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse: fleetcert.v1.ChallengeResponse.$Shape; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "quote"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote: fleetcert.v1.Quote.$Shape; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "courierRequest"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest: fleetcert.v1.CourierRequest.$Shape; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "issued"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued: fleetcert.v1.Issued.$Shape; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "refused"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused: fleetcert.v1.Refused.$Shape; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "confirmed"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed: fleetcert.v1.Confirmed.$Shape; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "received"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received: fleetcert.v1.Received.$Shape; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "timeToken"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken: fleetcert.v1.TimeToken.$Shape; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "challenge"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge: fleetcert.v1.Challenge.$Shape; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "desired"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired: fleetcert.v1.DesiredState.$Shape; credential?: null; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "credential"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential: fleetcert.v1.Credential.$Shape; quoteRequest?: null; courierReply?: null; head?: null }|{ body?: "quoteRequest"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest: fleetcert.v1.QuoteRequest.$Shape; courierReply?: null; head?: null }|{ body?: "courierReply"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply: fleetcert.v1.CourierReply.$Shape; head?: null }|{ body?: "head"; enrol?: null; attestation?: null; renew?: null; activated?: null; report?: null; ack?: null; timeRequest?: null; event?: null; challengeResponse?: null; quote?: null; courierRequest?: null; issued?: null; refused?: null; confirmed?: null; received?: null; timeToken?: null; challenge?: null; desired?: null; credential?: null; quoteRequest?: null; courierReply?: null; head: fleetcert.v1.RevocationHead.$Shape })
            );
        }

        /** Direction enum. */
        enum Direction {

            /** DIRECTION_UNSPECIFIED value */
            DIRECTION_UNSPECIFIED = 0,

            /** DEVICE_TO_CONTROLLER value */
            DEVICE_TO_CONTROLLER = 1,

            /** CONTROLLER_TO_DEVICE value */
            CONTROLLER_TO_DEVICE = 2,

            /** CONTROLLER_TO_FLEET value */
            CONTROLLER_TO_FLEET = 3
        }

        /**
         * Properties of a Sequence.
         * @deprecated Use fleetcert.v1.Sequence.$Properties instead.
         */
        interface ISequence extends fleetcert.v1.Sequence.$Properties {
        }

        /** Represents a Sequence. */
        class Sequence {

            /**
             * Constructs a new Sequence.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Sequence.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Sequence generation. */
            generation: number;

            /** Sequence stream. */
            stream: fleetcert.v1.Stream;

            /** Sequence counter. */
            counter: number;

            /**
             * Encodes the specified Sequence message. Does not implicitly {@link fleetcert.v1.Sequence.verify|verify} messages.
             * @param message Sequence message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Sequence.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Sequence message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Sequence & fleetcert.v1.Sequence.$Shape} Sequence
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Sequence & fleetcert.v1.Sequence.$Shape;
        }

        namespace Sequence {

            /** Properties of a Sequence. */
            interface $Properties {

                /** Sequence generation */
                generation?: (number|null);

                /** Sequence stream */
                stream?: (fleetcert.v1.Stream|null);

                /** Sequence counter */
                counter?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Sequence. */
            type $Shape = fleetcert.v1.Sequence.$Properties;
        }

        /** Stream enum. */
        enum Stream {

            /** STREAM_UNSPECIFIED value */
            STREAM_UNSPECIFIED = 0,

            /** MQTT value */
            MQTT = 1,

            /** COURIER value */
            COURIER = 2
        }

        /**
         * Properties of a RevocationHead.
         * @deprecated Use fleetcert.v1.RevocationHead.$Properties instead.
         */
        interface IRevocationHead extends fleetcert.v1.RevocationHead.$Properties {
        }

        /** Represents a RevocationHead. */
        class RevocationHead {

            /**
             * Constructs a new RevocationHead.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.RevocationHead.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** RevocationHead issuer. */
            issuer: Uint8Array;

            /** RevocationHead era. */
            era: number;

            /** RevocationHead epoch. */
            epoch: number;

            /** RevocationHead thisUpdate. */
            thisUpdate: number;

            /** RevocationHead nextUpdate. */
            nextUpdate: number;

            /** RevocationHead shards. */
            shards: fleetcert.v1.RevocationShard.$Properties[];

            /**
             * Encodes the specified RevocationHead message. Does not implicitly {@link fleetcert.v1.RevocationHead.verify|verify} messages.
             * @param message RevocationHead message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.RevocationHead.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a RevocationHead message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.RevocationHead & fleetcert.v1.RevocationHead.$Shape} RevocationHead
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.RevocationHead & fleetcert.v1.RevocationHead.$Shape;
        }

        namespace RevocationHead {

            /** Properties of a RevocationHead. */
            interface $Properties {

                /** RevocationHead issuer */
                issuer?: (Uint8Array|null);

                /** RevocationHead era */
                era?: (number|null);

                /** RevocationHead epoch */
                epoch?: (number|null);

                /** RevocationHead thisUpdate */
                thisUpdate?: (number|null);

                /** RevocationHead nextUpdate */
                nextUpdate?: (number|null);

                /** RevocationHead shards */
                shards?: (fleetcert.v1.RevocationShard.$Properties[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a RevocationHead. */
            type $Shape = fleetcert.v1.RevocationHead.$Properties;
        }

        /**
         * Properties of a RevocationShard.
         * @deprecated Use fleetcert.v1.RevocationShard.$Properties instead.
         */
        interface IRevocationShard extends fleetcert.v1.RevocationShard.$Properties {
        }

        /** Represents a RevocationShard. */
        class RevocationShard {

            /**
             * Constructs a new RevocationShard.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.RevocationShard.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** RevocationShard shard. */
            shard: number;

            /** RevocationShard coveredFrom. */
            coveredFrom: number;

            /** RevocationShard coveredTo. */
            coveredTo: number;

            /** RevocationShard revokedCount. */
            revokedCount: number;

            /** RevocationShard crlEpoch. */
            crlEpoch: number;

            /** RevocationShard crlLength. */
            crlLength: number;

            /** RevocationShard crlSha256. */
            crlSha256: Uint8Array;

            /** RevocationShard snapshotEpoch. */
            snapshotEpoch: number;

            /** RevocationShard snapshotLength. */
            snapshotLength: number;

            /** RevocationShard snapshotSha256. */
            snapshotSha256: Uint8Array;

            /** RevocationShard deltaFrom. */
            deltaFrom: number[];

            /** RevocationShard crlPatchFrom. */
            crlPatchFrom: number[];

            /**
             * Encodes the specified RevocationShard message. Does not implicitly {@link fleetcert.v1.RevocationShard.verify|verify} messages.
             * @param message RevocationShard message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.RevocationShard.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a RevocationShard message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.RevocationShard & fleetcert.v1.RevocationShard.$Shape} RevocationShard
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.RevocationShard & fleetcert.v1.RevocationShard.$Shape;
        }

        namespace RevocationShard {

            /** Properties of a RevocationShard. */
            interface $Properties {

                /** RevocationShard shard */
                shard?: (number|null);

                /** RevocationShard coveredFrom */
                coveredFrom?: (number|null);

                /** RevocationShard coveredTo */
                coveredTo?: (number|null);

                /** RevocationShard revokedCount */
                revokedCount?: (number|null);

                /** RevocationShard crlEpoch */
                crlEpoch?: (number|null);

                /** RevocationShard crlLength */
                crlLength?: (number|null);

                /** RevocationShard crlSha256 */
                crlSha256?: (Uint8Array|null);

                /** RevocationShard snapshotEpoch */
                snapshotEpoch?: (number|null);

                /** RevocationShard snapshotLength */
                snapshotLength?: (number|null);

                /** RevocationShard snapshotSha256 */
                snapshotSha256?: (Uint8Array|null);

                /** RevocationShard deltaFrom */
                deltaFrom?: (number[]|null);

                /** RevocationShard crlPatchFrom */
                crlPatchFrom?: (number[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a RevocationShard. */
            type $Shape = fleetcert.v1.RevocationShard.$Properties;
        }

        /**
         * Properties of a RevocationAck.
         * @deprecated Use fleetcert.v1.RevocationAck.$Properties instead.
         */
        interface IRevocationAck extends fleetcert.v1.RevocationAck.$Properties {
        }

        /** Represents a RevocationAck. */
        class RevocationAck {

            /**
             * Constructs a new RevocationAck.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.RevocationAck.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** RevocationAck issuer. */
            issuer: Uint8Array;

            /** RevocationAck era. */
            era: number;

            /** RevocationAck epoch. */
            epoch: number;

            /** RevocationAck headSha256. */
            headSha256: Uint8Array;

            /** RevocationAck appliedAt. */
            appliedAt: number;

            /** RevocationAck via. */
            via: fleetcert.v1.Via;

            /**
             * Encodes the specified RevocationAck message. Does not implicitly {@link fleetcert.v1.RevocationAck.verify|verify} messages.
             * @param message RevocationAck message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.RevocationAck.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a RevocationAck message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.RevocationAck & fleetcert.v1.RevocationAck.$Shape} RevocationAck
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.RevocationAck & fleetcert.v1.RevocationAck.$Shape;
        }

        namespace RevocationAck {

            /** Properties of a RevocationAck. */
            interface $Properties {

                /** RevocationAck issuer */
                issuer?: (Uint8Array|null);

                /** RevocationAck era */
                era?: (number|null);

                /** RevocationAck epoch */
                epoch?: (number|null);

                /** RevocationAck headSha256 */
                headSha256?: (Uint8Array|null);

                /** RevocationAck appliedAt */
                appliedAt?: (number|null);

                /** RevocationAck via */
                via?: (fleetcert.v1.Via|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a RevocationAck. */
            type $Shape = fleetcert.v1.RevocationAck.$Properties;
        }

        /** Via enum. */
        enum Via {

            /** VIA_UNSPECIFIED value */
            VIA_UNSPECIFIED = 0,

            /** VIA_MQTT value */
            VIA_MQTT = 1,

            /** VIA_COURIER value */
            VIA_COURIER = 2,

            /** VIA_HTTP value */
            VIA_HTTP = 3
        }

        /**
         * Properties of a StatusReport.
         * @deprecated Use fleetcert.v1.StatusReport.$Properties instead.
         */
        interface IStatusReport extends fleetcert.v1.StatusReport.$Properties {
        }

        /** Represents a StatusReport. */
        class StatusReport {

            /**
             * Constructs a new StatusReport.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.StatusReport.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** StatusReport agentVersion. */
            agentVersion: string;

            /** StatusReport platform. */
            platform: string;

            /** StatusReport clockOffset. */
            clockOffset: number;

            /** StatusReport timeStatus. */
            timeStatus: string;

            /** StatusReport slots. */
            slots: fleetcert.v1.SlotStatus.$Properties[];

            /** StatusReport epochs. */
            epochs: fleetcert.v1.EpochStatus.$Properties[];

            /** StatusReport trustEra. */
            trustEra: number;

            /** StatusReport trustVersion. */
            trustVersion: number;

            /** StatusReport desiredVersion. */
            desiredVersion: number;

            /** StatusReport outboxLength. */
            outboxLength: number;

            /**
             * Encodes the specified StatusReport message. Does not implicitly {@link fleetcert.v1.StatusReport.verify|verify} messages.
             * @param message StatusReport message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.StatusReport.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a StatusReport message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.StatusReport & fleetcert.v1.StatusReport.$Shape} StatusReport
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.StatusReport & fleetcert.v1.StatusReport.$Shape;
        }

        namespace StatusReport {

            /** Properties of a StatusReport. */
            interface $Properties {

                /** StatusReport agentVersion */
                agentVersion?: (string|null);

                /** StatusReport platform */
                platform?: (string|null);

                /** StatusReport clockOffset */
                clockOffset?: (number|null);

                /** StatusReport timeStatus */
                timeStatus?: (string|null);

                /** StatusReport slots */
                slots?: (fleetcert.v1.SlotStatus.$Properties[]|null);

                /** StatusReport epochs */
                epochs?: (fleetcert.v1.EpochStatus.$Properties[]|null);

                /** StatusReport trustEra */
                trustEra?: (number|null);

                /** StatusReport trustVersion */
                trustVersion?: (number|null);

                /** StatusReport desiredVersion */
                desiredVersion?: (number|null);

                /** StatusReport outboxLength */
                outboxLength?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a StatusReport. */
            type $Shape = fleetcert.v1.StatusReport.$Properties;
        }

        /**
         * Properties of a SlotStatus.
         * @deprecated Use fleetcert.v1.SlotStatus.$Properties instead.
         */
        interface ISlotStatus extends fleetcert.v1.SlotStatus.$Properties {
        }

        /** Represents a SlotStatus. */
        class SlotStatus {

            /**
             * Constructs a new SlotStatus.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.SlotStatus.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** SlotStatus slot. */
            slot: string;

            /** SlotStatus generation. */
            generation: number;

            /** SlotStatus certificateSha256. */
            certificateSha256: Uint8Array;

            /** SlotStatus journal. */
            journal: string;

            /** SlotStatus certificateAge. */
            certificateAge: number;

            /** SlotStatus protection. */
            protection: string;

            /** SlotStatus lastError. */
            lastError: string;

            /** SlotStatus rollbacks. */
            rollbacks: number;

            /** SlotStatus rollbackCause. */
            rollbackCause: string;

            /** SlotStatus rollbackAt. */
            rollbackAt: number;

            /** SlotStatus keyStore. */
            keyStore: string;

            /**
             * Encodes the specified SlotStatus message. Does not implicitly {@link fleetcert.v1.SlotStatus.verify|verify} messages.
             * @param message SlotStatus message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.SlotStatus.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a SlotStatus message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.SlotStatus & fleetcert.v1.SlotStatus.$Shape} SlotStatus
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.SlotStatus & fleetcert.v1.SlotStatus.$Shape;
        }

        namespace SlotStatus {

            /** Properties of a SlotStatus. */
            interface $Properties {

                /** SlotStatus slot */
                slot?: (string|null);

                /** SlotStatus generation */
                generation?: (number|null);

                /** SlotStatus certificateSha256 */
                certificateSha256?: (Uint8Array|null);

                /** SlotStatus journal */
                journal?: (string|null);

                /** SlotStatus certificateAge */
                certificateAge?: (number|null);

                /** SlotStatus protection */
                protection?: (string|null);

                /** SlotStatus lastError */
                lastError?: (string|null);

                /** SlotStatus rollbacks */
                rollbacks?: (number|null);

                /** SlotStatus rollbackCause */
                rollbackCause?: (string|null);

                /** SlotStatus rollbackAt */
                rollbackAt?: (number|null);

                /** SlotStatus keyStore */
                keyStore?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a SlotStatus. */
            type $Shape = fleetcert.v1.SlotStatus.$Properties;
        }

        /**
         * Properties of an EpochStatus.
         * @deprecated Use fleetcert.v1.EpochStatus.$Properties instead.
         */
        interface IEpochStatus extends fleetcert.v1.EpochStatus.$Properties {
        }

        /** Represents an EpochStatus. */
        class EpochStatus {

            /**
             * Constructs a new EpochStatus.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.EpochStatus.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** EpochStatus issuer. */
            issuer: Uint8Array;

            /** EpochStatus era. */
            era: number;

            /** EpochStatus epoch. */
            epoch: number;

            /** EpochStatus stale. */
            stale: boolean;

            /**
             * Encodes the specified EpochStatus message. Does not implicitly {@link fleetcert.v1.EpochStatus.verify|verify} messages.
             * @param message EpochStatus message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.EpochStatus.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an EpochStatus message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.EpochStatus & fleetcert.v1.EpochStatus.$Shape} EpochStatus
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.EpochStatus & fleetcert.v1.EpochStatus.$Shape;
        }

        namespace EpochStatus {

            /** Properties of an EpochStatus. */
            interface $Properties {

                /** EpochStatus issuer */
                issuer?: (Uint8Array|null);

                /** EpochStatus era */
                era?: (number|null);

                /** EpochStatus epoch */
                epoch?: (number|null);

                /** EpochStatus stale */
                stale?: (boolean|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an EpochStatus. */
            type $Shape = fleetcert.v1.EpochStatus.$Properties;
        }

        /**
         * Properties of a SecurityEvent.
         * @deprecated Use fleetcert.v1.SecurityEvent.$Properties instead.
         */
        interface ISecurityEvent extends fleetcert.v1.SecurityEvent.$Properties {
        }

        /** Represents a SecurityEvent. */
        class SecurityEvent {

            /**
             * Constructs a new SecurityEvent.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.SecurityEvent.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** SecurityEvent name. */
            name: string;

            /** SecurityEvent at. */
            at: number;

            /** SecurityEvent details. */
            details: { [k: string]: string };

            /**
             * Encodes the specified SecurityEvent message. Does not implicitly {@link fleetcert.v1.SecurityEvent.verify|verify} messages.
             * @param message SecurityEvent message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.SecurityEvent.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a SecurityEvent message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.SecurityEvent & fleetcert.v1.SecurityEvent.$Shape} SecurityEvent
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.SecurityEvent & fleetcert.v1.SecurityEvent.$Shape;
        }

        namespace SecurityEvent {

            /** Properties of a SecurityEvent. */
            interface $Properties {

                /** SecurityEvent name */
                name?: (string|null);

                /** SecurityEvent at */
                at?: (number|null);

                /** SecurityEvent details */
                details?: ({ [k: string]: string }|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a SecurityEvent. */
            type $Shape = fleetcert.v1.SecurityEvent.$Properties;
        }

        /**
         * Properties of a Received.
         * @deprecated Use fleetcert.v1.Received.$Properties instead.
         */
        interface IReceived extends fleetcert.v1.Received.$Properties {
        }

        /** Represents a Received. */
        class Received {

            /**
             * Constructs a new Received.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.Received.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /**
             * Encodes the specified Received message. Does not implicitly {@link fleetcert.v1.Received.verify|verify} messages.
             * @param message Received message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.Received.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Received message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.Received & fleetcert.v1.Received.$Shape} Received
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.Received & fleetcert.v1.Received.$Shape;
        }

        namespace Received {

            /** Properties of a Received. */
            interface $Properties {

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Received. */
            type $Shape = fleetcert.v1.Received.$Properties;
        }

        /**
         * Properties of a TimeRequest.
         * @deprecated Use fleetcert.v1.TimeRequest.$Properties instead.
         */
        interface ITimeRequest extends fleetcert.v1.TimeRequest.$Properties {
        }

        /** Represents a TimeRequest. */
        class TimeRequest {

            /**
             * Constructs a new TimeRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.TimeRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /**
             * Encodes the specified TimeRequest message. Does not implicitly {@link fleetcert.v1.TimeRequest.verify|verify} messages.
             * @param message TimeRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.TimeRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a TimeRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.TimeRequest & fleetcert.v1.TimeRequest.$Shape} TimeRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.TimeRequest & fleetcert.v1.TimeRequest.$Shape;
        }

        namespace TimeRequest {

            /** Properties of a TimeRequest. */
            interface $Properties {

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a TimeRequest. */
            type $Shape = fleetcert.v1.TimeRequest.$Properties;
        }

        /**
         * Properties of a TimeToken.
         * @deprecated Use fleetcert.v1.TimeToken.$Properties instead.
         */
        interface ITimeToken extends fleetcert.v1.TimeToken.$Properties {
        }

        /** Represents a TimeToken. */
        class TimeToken {

            /**
             * Constructs a new TimeToken.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.TimeToken.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** TimeToken nonce. */
            nonce: Uint8Array;

            /** TimeToken now. */
            now: number;

            /** TimeToken trustBundles. */
            trustBundles: Uint8Array[];

            /**
             * Encodes the specified TimeToken message. Does not implicitly {@link fleetcert.v1.TimeToken.verify|verify} messages.
             * @param message TimeToken message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.TimeToken.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a TimeToken message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.TimeToken & fleetcert.v1.TimeToken.$Shape} TimeToken
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.TimeToken & fleetcert.v1.TimeToken.$Shape;
        }

        namespace TimeToken {

            /** Properties of a TimeToken. */
            interface $Properties {

                /** TimeToken nonce */
                nonce?: (Uint8Array|null);

                /** TimeToken now */
                now?: (number|null);

                /** TimeToken trustBundles */
                trustBundles?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a TimeToken. */
            type $Shape = fleetcert.v1.TimeToken.$Properties;
        }

        /**
         * Properties of a TrustBundle.
         * @deprecated Use fleetcert.v1.TrustBundle.$Properties instead.
         */
        interface ITrustBundle extends fleetcert.v1.TrustBundle.$Properties {
        }

        /** Represents a TrustBundle. */
        class TrustBundle {

            /**
             * Constructs a new TrustBundle.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.TrustBundle.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** TrustBundle fleet. */
            fleet: string;

            /** TrustBundle version. */
            version: number;

            /** TrustBundle era. */
            era: number;

            /** TrustBundle roots. */
            roots: Uint8Array[];

            /** TrustBundle issuers. */
            issuers: Uint8Array[];

            /** TrustBundle commandKeys. */
            commandKeys: fleetcert.v1.CommandKey.$Properties[];

            /** TrustBundle issuedAt. */
            issuedAt: number;

            /** TrustBundle expires. */
            expires: number;

            /** TrustBundle rootLists. */
            rootLists: Uint8Array[];

            /** TrustBundle bridges. */
            bridges: Uint8Array[];

            /**
             * Encodes the specified TrustBundle message. Does not implicitly {@link fleetcert.v1.TrustBundle.verify|verify} messages.
             * @param message TrustBundle message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.TrustBundle.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a TrustBundle message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.TrustBundle & fleetcert.v1.TrustBundle.$Shape} TrustBundle
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.TrustBundle & fleetcert.v1.TrustBundle.$Shape;
        }

        namespace TrustBundle {

            /** Properties of a TrustBundle. */
            interface $Properties {

                /** TrustBundle fleet */
                fleet?: (string|null);

                /** TrustBundle version */
                version?: (number|null);

                /** TrustBundle era */
                era?: (number|null);

                /** TrustBundle roots */
                roots?: (Uint8Array[]|null);

                /** TrustBundle issuers */
                issuers?: (Uint8Array[]|null);

                /** TrustBundle commandKeys */
                commandKeys?: (fleetcert.v1.CommandKey.$Properties[]|null);

                /** TrustBundle issuedAt */
                issuedAt?: (number|null);

                /** TrustBundle expires */
                expires?: (number|null);

                /** TrustBundle rootLists */
                rootLists?: (Uint8Array[]|null);

                /** TrustBundle bridges */
                bridges?: (Uint8Array[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a TrustBundle. */
            type $Shape = fleetcert.v1.TrustBundle.$Properties;
        }

        /**
         * Properties of a CommandKey.
         * @deprecated Use fleetcert.v1.CommandKey.$Properties instead.
         */
        interface ICommandKey extends fleetcert.v1.CommandKey.$Properties {
        }

        /** Represents a CommandKey. */
        class CommandKey {

            /**
             * Constructs a new CommandKey.
             * @param [properties] Properties to set
             */
            constructor(properties?: fleetcert.v1.CommandKey.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** CommandKey spki. */
            spki: Uint8Array;

            /** CommandKey use. */
            use: fleetcert.v1.CommandKeyUse;

            /** CommandKey issuers. */
            issuers: Uint8Array[];

            /** CommandKey notBefore. */
            notBefore: number;

            /** CommandKey notAfter. */
            notAfter: number;

            /**
             * Encodes the specified CommandKey message. Does not implicitly {@link fleetcert.v1.CommandKey.verify|verify} messages.
             * @param message CommandKey message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: fleetcert.v1.CommandKey.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a CommandKey message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {fleetcert.v1.CommandKey & fleetcert.v1.CommandKey.$Shape} CommandKey
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): fleetcert.v1.CommandKey & fleetcert.v1.CommandKey.$Shape;
        }

        namespace CommandKey {

            /** Properties of a CommandKey. */
            interface $Properties {

                /** CommandKey spki */
                spki?: (Uint8Array|null);

                /** CommandKey use */
                use?: (fleetcert.v1.CommandKeyUse|null);

                /** CommandKey issuers */
                issuers?: (Uint8Array[]|null);

                /** CommandKey notBefore */
                notBefore?: (number|null);

                /** CommandKey notAfter */
                notAfter?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a CommandKey. */
            type $Shape = fleetcert.v1.CommandKey.$Properties;
        }

        /** CommandKeyUse enum. */
        enum CommandKeyUse {

            /** COMMAND_KEY_USE_UNSPECIFIED value */
            COMMAND_KEY_USE_UNSPECIFIED = 0,

            /** MESSAGES value */
            MESSAGES = 1,

            /** HEADS value */
            HEADS = 2,

            /** TIME value */
            TIME = 3
        }
    }
}
